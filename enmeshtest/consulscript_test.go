// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/enmeshtest"
)

func TestConsul_followsAScript(t *testing.T) {
	header := func(index string) map[string]string { return map[string]string{"X-Consul-Index": index} }
	for _, c := range []struct {
		name  string
		reply enmeshtest.ConsulReply
		want  string
	}{
		{"honest", enmeshtest.ConsulReply{}, `200 index "11" r1 after 0s`},
		{"index backwards", enmeshtest.ConsulReply{Header: header("3")}, `200 index "3" r1 after 0s`},
		{"index zero", enmeshtest.ConsulReply{Header: header("0")}, `200 index "0" r1 after 0s`},
		{"index missing", enmeshtest.ConsulReply{Header: header("")}, `200 index "" r1 after 0s`},
		{"index not a number", enmeshtest.ConsulReply{Header: header("soon")}, `200 index "soon" r1 after 0s`},
		{"index above int63", enmeshtest.ConsulReply{Header: header("9223372036854775808")}, `200 index "9223372036854775808" r1 after 0s`},
		{"empty", enmeshtest.ConsulReply{Body: []byte("[]")}, `200 index "11"  after 0s`},
		{"HTML", enmeshtest.ConsulReply{Body: []byte("<html>")}, `200 index "11" <html> after 0s`},
		{"refused", enmeshtest.ConsulReply{Status: 403, Body: []byte("ACL not found")}, `403 index "11" ACL not found after 0s`},
		{"broken", enmeshtest.ConsulReply{Status: 500, Body: []byte("No cluster leader")}, `500 index "11" No cluster leader after 0s`},
		{"zipped", enmeshtest.ConsulReply{Body: []byte("[]"), Gzip: true}, `200 index "11"  after 0s`},
		{"dripping", enmeshtest.ConsulReply{Body: []byte("[ ]"), Drip: time.Second}, `200 index "11"  after 2s`},
		{"blocking", enmeshtest.ConsulReply{Body: []byte("late"), Block: true}, `200 index "11" late after 20s`},
		{"cut before the head", enmeshtest.ConsulReply{Cut: -1}, `error after 0s`},
		{"cut in the body", enmeshtest.ConsulReply{Cut: 3}, `error after 0s`},
		{"hanging", enmeshtest.ConsulReply{Hang: true}, `error after 1m0s`},
		{"hanging in the body", enmeshtest.ConsulReply{Hang: true, Cut: 3}, `error after 1m0s`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				registry := enmeshtest.NewConsul()
				registry.Set("reviews", instance(1))
				client := registry.Client(t)
				if c.reply.Cut < 0 {
					client.Transport.(*http.Transport).DisableKeepAlives = true // or it asks again
				}
				registry.Script(reviews, c.reply)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				got := do(ctx, client, http.MethodGet, "http://consul"+reviews+"?index=11&wait=20s", "")
				wantAnswer(t, c.name, got, c.want)
				if n := registry.Scripted(reviews); n != 0 {
					t.Errorf("replies left: got %d, want 0", n)
				}
				wantAnswer(t, "after the script", get(t, client, reviews), `200 index "11" r1 after 0s`)
			})
		})
	}
}

func TestConsul_scriptsReachQueriesThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enmeshtest.NewConsul()
		c.Set("reviews", instance(1))
		client := c.Client(t)
		next := later(t, client, reviews+"?index=11")
		time.Sleep(time.Second)
		c.Always("/v1/health/", enmeshtest.ConsulReply{Status: 500, Body: []byte("no")})
		wantAnswer(t, "a query that waited", next(), `500 index "11" no after 1s`)
		wantAnswer(t, "a later one", get(t, client, reviews+"?index=11"), `500 index "11" no after 0s`)
		c.Script(reviews, enmeshtest.ConsulReply{Body: []byte("[]")})
		wantAnswer(t, "a newer script", get(t, client, reviews), `200 index "11"  after 0s`)
		wantAnswer(t, "the older one after it", get(t, client, reviews), `500 index "11" no after 0s`)
		c.Honest()
		wantAnswer(t, "honest again", get(t, client, reviews), `200 index "11" r1 after 0s`)
	})
}

// TestConsul_reordersAnswers: the older answer comes after the newer one.
func TestConsul_reordersAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enmeshtest.NewConsul()
		c.Set("reviews", instance(1))
		client := c.Client(t)
		c.Script(reviews, enmeshtest.ConsulReply{Delay: 5 * time.Second})
		old := later(t, client, reviews)
		c.Set("reviews", instance(2))
		wantAnswer(t, "new", get(t, client, reviews), `200 index "12" r2 after 0s`)
		wantAnswer(t, "old", old(), `200 index "11" r1 after 5s`)
	})
}

func TestConsul_changesNothingWhenItRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply enmeshtest.ConsulReply
		held  int
	}{
		{"honest", enmeshtest.ConsulReply{}, 1},
		{"500", enmeshtest.ConsulReply{Status: 500}, 0},
		{"hang", enmeshtest.ConsulReply{Hang: true}, 0},
		{"answer lost", enmeshtest.ConsulReply{Cut: -1}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			registry := enmeshtest.NewConsul()
			client := registry.Client(t)
			registry.Always("/v1/agent/", c.reply)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			do(ctx, client, http.MethodPut, "http://consul/v1/agent/service/register", `{"Name":"reviews"}`)
			if got := registry.Registered(); len(got) != c.held {
				t.Errorf("%s: got %v registered, want %d", c.name, got, c.held)
			}
		})
	}
}

// TestConsul_bigBodies reads 64 MiB as they are, and as a bomb of 64 KiB.
func TestConsul_bigBodies(t *testing.T) {
	const size = 64 << 20
	c := enmeshtest.NewConsul()
	url := "http://" + c.Start(t) + reviews
	for _, r := range []struct {
		name          string
		zipped        bool // by the registry
		unzip         bool // by the client
		atLeast, most int64
	}{
		{"plain", false, false, size, size},
		{"bomb on the wire", true, false, size / 1100, size / 900},
		{"bomb unpacked", true, true, size, size},
	} {
		c.Script(reviews, enmeshtest.ConsulReply{Size: size, Gzip: r.zipped})
		n, last := drain(t, url, r.unzip)
		t.Logf("%s: %d bytes", r.name, n)
		if n < r.atLeast || n > r.most {
			t.Errorf("%s: got %d bytes, want %d to %d", r.name, n, r.atLeast, r.most)
		}
		if (r.unzip || !r.zipped) && last != "}]" {
			t.Errorf("%s: got the end %q, want }]", r.name, last)
		}
	}
}

// drain reads a body, and returns its length and its last two bytes.
func drain(t *testing.T, url string, unzip bool) (n int64, last string) {
	t.Helper()
	wire := &http.Transport{DisableCompression: !unzip}
	defer wire.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := wire.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 64<<10)
	for {
		k, err := resp.Body.Read(buf)
		n += int64(k)
		if k >= 2 {
			last = string(buf[k-2 : k])
		}
		if err == io.EOF {
			return n, last
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func ExampleConsul() {
	registry := enmeshtest.NewConsul()
	registry.Set("reviews", enmeshtest.ConsulInstance{ID: "r1", Address: "127.0.0.1", Port: 9080})
	registry.Script("/v1/health/service/reviews",
		enmeshtest.ConsulReply{Status: 500, Body: []byte("No cluster leader")},
		enmeshtest.ConsulReply{Header: map[string]string{"X-Consul-Index": "3"}},
	)
	t := &example{}
	defer t.end()
	client := registry.Client(t)
	for range 3 {
		req, _ := http.NewRequest(http.MethodGet, "http://consul/v1/health/service/reviews", nil)
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		fmt.Println(resp.StatusCode, resp.Header.Get("X-Consul-Index"))
	}
	// Output:
	// 500 11
	// 200 3
	// 200 11
}

// example stands for the test that a real one has.
type example struct {
	testing.TB
	cleanups []func()
}

func (e *example) Helper()          {}
func (e *example) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

func (e *example) end() {
	for i := len(e.cleanups) - 1; i >= 0; i-- {
		e.cleanups[i]()
	}
}
