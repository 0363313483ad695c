// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/mesh"
)

// each runs f for both protocols.
func (s *street) each(t *testing.T, documents string, f func(t *testing.T, m *mesh.Mesh, call func(r request) string), opts ...mesh.Option) {
	t.Run("http", func(t *testing.T) {
		m := s.open(t, s.web, documents, opts...)
		f(t, m, func(r request) string { got, _ := s.overHTTP(t, m, r); return got })
	})
	t.Run("grpc", func(t *testing.T) {
		m := s.open(t, s.rpc, documents, opts...)
		f(t, m, func(r request) string { got, _ := s.overGRPC(t, m, r); return got })
	})
}

// answered is what a caller gets over either protocol, without the status.
func answered(got string) string {
	_, text, _ := strings.Cut(got, " ")
	return text
}

func TestMirror_copiesGoBesideTheCall(t *testing.T) {
	s := newStreet(t, "reviews", "shadow")
	const mirrors = "mirrors: [{destination: {host: shadow}}, {destination: {host: reviews, subset: v2}, percentage: {value: 0}}]"
	documents := subsets + "\n---\n" + forReviews("{match: [{uri: {prefix: /a/}}], rewrite: {uri: /b/}, "+
		"headers: {request: {set: {x-rule: made}}}, "+mirrors+", "+toReviews+"}")
	s.each(t, documents, func(t *testing.T, m *mesh.Mesh, call func(r request) string) {
		got := call(request{
			method: "POST", host: "reviews:9080", target: "/a/x", body: "text",
			header: []string{"traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", "x-own", "mine"},
		})
		if want := "reviews v1 /b/x reviews:9080"; answered(got) != want {
			t.Errorf("the caller got %q, want %q", got, want)
		}
		var copies []heard
		until(t, "the copy arrives", func() bool { copies = append(copies, s.take("shadow")...); return len(copies) == 1 })
		h := copies[0]
		if h.path != "/b/x" || h.authority != "reviews-shadow:9080" || h.body != "text" || h.method != "POST" {
			t.Errorf("the copy is %+v, want the rewritten call to reviews-shadow:9080", h)
		}
		for name, want := range map[string]string{
			"X-Rule": "made", "X-Own": "mine", "Traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00",
		} {
			if got := h.header.Get(name); got != want {
				t.Errorf("the copy has %s %q, want %q", name, got, want)
			}
		}
		own := s.take("reviews")
		if len(own) != 1 || own[0].who != "reviews v1" || own[0].header.Get("Traceparent") == h.header.Get("Traceparent") {
			t.Errorf("reviews heard %+v, want v1 once, with the caller's trace", own)
		}
		until(t, "the copy ends", func() bool { return m.Mirrored().InFlight == 0 })
		if got := m.Mirrored(); got != (route.MirrorStats{Sent: 1}) {
			t.Errorf("%+v, want one copy, answered", got)
		}
	})
}

func TestMirror_shares(t *testing.T) {
	s := newStreet(t, "reviews", "shadow")
	for share, want := range map[string]bool{
		"": true, "mirrorPercentage: {value: 0}, ": false, "mirrorPercentage: {value: 100}, ": true,
		"mirrorPercent: 0, ": false, "mirror_percent: 100, ": true, "mirrorPercent: 100, mirrorPercentage: {value: 0}, ": false,
	} {
		documents := subsets + "\n---\n" + forReviews("{mirror: {host: shadow}, "+share+toReviews+"}")
		s.each(t, documents, func(t *testing.T, m *mesh.Mesh, call func(r request) string) {
			call(request{target: "/a/b"})
			until(t, "copies end", func() bool { return m.Mirrored().InFlight == 0 })
			if got := m.Mirrored().Sent == 1; got != want {
				t.Errorf("%q: mirrored %t, want %t", share, got, want)
			}
		})
	}
}

// Nothing that goes wrong with a copy is the caller's trouble.
func TestMirror_callersHearNothing(t *testing.T) {
	s := newStreet(t, "reviews")
	for name, to := range map[string]string{"an unknown service": "{host: nowhere}", "a missing subset": "{host: ratings, subset: v9}"} {
		t.Run(name, func(t *testing.T) {
			documents := subsets + "\n---\n" + forReviews("{mirror: "+to+", "+toReviews+"}")
			s.each(t, documents, func(t *testing.T, m *mesh.Mesh, call func(r request) string) {
				if got := call(request{target: "/a/b"}); answered(got) != "reviews v1 /a/b reviews" {
					t.Errorf("got %q", got)
				}
				until(t, "the copy fails", func() bool { return m.Mirrored() == route.MirrorStats{Sent: 1, Failed: 1} })
			})
		})
	}
}

func TestMirror_bounds(t *testing.T) {
	s := newStreet(t, "reviews", "shadow")
	documents := subsets + "\n---\n" + forReviews("{mirror: {host: shadow}, "+toReviews+"}")
	large := strings.Repeat("x", 100<<10)
	s.each(t, documents, func(t *testing.T, m *mesh.Mesh, call func(r request) string) {
		if got := call(request{method: "POST", target: "/a/b", body: large}); answered(got) != "reviews v1 /a/b reviews" {
			t.Errorf("got %q", got)
		}
		if got := m.Mirrored(); got != (route.MirrorStats{Uncopied: 1}) {
			t.Errorf("a large body: %+v, want it not copied", got)
		}
	})
	release := make(chan struct{})
	s.status = func(h heard) int {
		if strings.HasPrefix(h.who, "shadow") {
			<-release
		}
		return 200
	}
	m := s.open(t, s.web, documents, mesh.WithMirror(route.MirrorConfig{MaxInFlight: 2, Timeout: time.Minute}))
	start := time.Now()
	for range 5 {
		if got, _ := s.overHTTP(t, m, request{target: "/a/b"}); got != "200 reviews v1 /a/b reviews" {
			t.Errorf("got %q", got)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("calls took %v while their mirror hung", took)
	}
	if got := m.Mirrored(); got.Busy != 3 || got.InFlight != 2 {
		t.Errorf("%+v, want 2 copies in flight and 3 calls not mirrored", got)
	}
	closed := make(chan error)
	go func() { closed <- m.Close() }()
	if err := <-closed; err != nil || m.Mirrored().InFlight != 0 {
		t.Errorf("closed with %v, %+v; want the copies ended", err, m.Mirrored())
	}
	close(release)
}

// Callers that use their requests again at once, policy that is replaced, and a mesh
// that is closed under it all: the race detector and the leak check hold the rest.
func TestMirror_underTraffic(t *testing.T) {
	town := newTown(t)
	policy := func(v int) string {
		return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\nspec: {hosts: [reviews], http: ["+
			"{timeout: %ds, mirrors: [{destination: {host: shadow}}, {destination: {host: gone}}, {destination: {host: slow}, percentage: {value: 50}}], route: [{destination: {host: reviews}}]}]}", v)
	}
	town.write("policy.yaml", policy(1))
	var copies atomic.Int64
	echo := func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }
	town.registry.Set("reviews", town.serve("reviews", "v1", echo))
	town.registry.Set("shadow", town.serve("shadow", "v1", func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && !wholeWord(body) {
			t.Errorf("a copy has the body %q", body)
		}
		copies.Add(1)
		echo(w, r)
	}))
	town.registry.Set("slow", town.serve("slow", "v1", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	m := town.open("productpage", "v1", mesh.WithMirror(route.MirrorConfig{MaxInFlight: 20}))
	client := town.client(m)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			text, want := []byte("########"), byte('a'+worker)
			for range 200 {
				for i := range text {
					text[i] = want
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://reviews/x", bytes.NewReader(text))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-Turn", string(want))
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || !bytes.Equal(got, text) {
					t.Errorf("got %q, %v", got, err)
				}
				for i := range text { // the caller's again
					text[i] = byte(i)
				}
				req.Header["X-Turn"][0] = "used"
				req.Header.Set("X-More", "used")
			}
		})
	}
	for v := range 20 {
		town.write("policy.yaml", policy(v%2+1))
		<-time.After(5 * time.Millisecond)
	}
	wg.Wait()
	until(t, "copies arrive", func() bool { return copies.Load() > 0 })
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if got := m.Mirrored(); got.InFlight != 0 || got.Sent == 0 || got.Uncopied != 0 {
		t.Errorf("%+v, want some sent, all ended, and all copied", got)
	}
}

// wholeWord reports whether a body is one letter, repeated: nobody changed it under way.
func wholeWord(body []byte) bool {
	return len(body) == 8 && bytes.Count(body, body[:1]) == 8 && body[0] >= 'a'
}
