// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// bidden asks for a change, from a page of origin if that is given.
func bidden(t *testing.T, method, url, origin string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// Whoever is on the machine can hold a breaker open or closed, and reset it, by the status
// page: no web page elsewhere can, and a question that means nothing changes nothing.
func TestRun_breakers(t *testing.T) {
	const way = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{name: way, retries: {attempts: 0}, route: [{destination: {host: reviews}}]}]
`
	y := newYard(t, "http", way+ownDoc("CircuitBreaker", "host: reviews, per: ROUTE, consecutiveFailures: 3, openFor: 1h"))
	at := freeAddr(t)
	page := "http://" + at + "/breakers"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := func(do, want string) {
		t.Helper()
		code, text := bidden(t, "POST", page+"?format=text&service=reviews&route=way&do="+do, "")
		if line := "reviews.default.svc.cluster.local route way: " + want + "\n"; code != 200 || text != line {
			t.Errorf("%s: %d %q, want %q", do, code, text, line)
		}
	}
	err := mesh.Run(ctx, y.caller, quick, mesh.WithSignals(), mesh.WithStatus(at),
		mesh.Serving{Server: meshhttp.Graceful(&http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second})},
		mesh.OnStep(func(s mesh.Step) {
			if s.Name != mesh.StepReady {
				return
			}
			defer cancel()
			told("open", "open, forced")
			if got := y.calls(2); got[503] != 2 || y.hits.Load() != 0 {
				t.Errorf("held open: got %v, %d arrived", got, y.hits.Load())
			}
			if code, text := ask(t, page); code != 200 || !strings.Contains(text, `"forced": true`) {
				t.Errorf("listed: %d %s", code, text)
			}
			for query, want := range map[string]int{
				"?service=reviews&route=way&do=burn": 400, "?do=reset": 400, "?service=reviews&do=reset": 400,
				"?service=ratings&do=reset": 400, "?service=reviews&route=way&do=reset&why=so": 400,
			} {
				if code, text := bidden(t, "POST", page+query, ""); code != want {
					t.Errorf("%s: %d %s, want %d", query, code, text, want)
				}
			}
			if code, _ := bidden(t, "POST", page+"?service=reviews&route=way&do=reset", "http://attacker.example"); code != http.StatusForbidden {
				t.Errorf("from a page elsewhere: %d, want 403", code)
			}
			if !y.caller.Breaker("reviews", "way").Forced() {
				t.Error("the breaker is not held any more")
			}
			y.answers(always(500))
			told("close", "closed, forced")
			if got := y.arrived(5); got != 5 {
				t.Errorf("held closed: %d of 5 arrived", got)
			}
			told("reset", "closed")
			if got := y.arrived(5); got != 3 {
				t.Errorf("after the reset: %d of 5 arrived, want 3", got)
			}
		}))
	if err != nil {
		t.Error(err)
	}
}
