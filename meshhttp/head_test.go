// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// signs sets a header on whatever the caller is answered with.
func signs(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		c.OnHead(func(h enmesh.Header) { h.Set("X-Signed", "mesh") })
		return next(ctx, c)
	}
}

// repliesWith answers in the place of whatever is below.
func repliesWith(status int, e *enmesh.Error) enmesh.Middleware {
	return func(enmesh.Next) enmesh.Next {
		return func(_ context.Context, c *enmesh.Call) error {
			return c.SetReply(&enmesh.Reply{Status: status, Header: map[string][]string{"X-Signed": {"reply"}}, Body: []byte("made up")}, e)
		}
	}
}

// However an answer is written, and whoever writes it, what edits its head has the last word.
func TestHandler_editsTheHeadLast(t *testing.T) {
	refusal := &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral, Status: 403, Policy: "authz"}
	handlers := map[string]http.HandlerFunc{
		"/nothing": func(http.ResponseWriter, *http.Request) {},
		"/status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"/hints": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Add("X-Signed", "after hints")
			w.WriteHeader(http.StatusOK)
		},
		"/write":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) },
		"/string": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") },
		"/copy":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("x")) },
		"/flush":  func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
		"/controller": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
		},
		"/panic": func(http.ResponseWriter, *http.Request) { panic("as the test wants") },
	}
	chains := map[string][]enmesh.Middleware{
		"/refused":   {signs, before(func(context.Context, *enmesh.Call) error { return refusal })},
		"/reply":     {signs, repliesWith(200, nil)},
		"/denied":    {signs, repliesWith(403, refusal)},
		"/recovered": {signs, enmesh.Recover(nil), before(func(context.Context, *enmesh.Call) error { panic("as the test wants") })},
		"/too-late":  {signs, after(refusal)},
	}
	mux := http.NewServeMux()
	for path, h := range handlers {
		mux.Handle(path, meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("X-Signed", "handler")
			w.Header().Add("X-Signed", "twice")
			h(w, r)
		}), enmesh.Fixed(false, signs)))
	}
	for path, chain := range chains {
		mux.Handle(path, meshhttp.NewHandler(handlers["/nothing"], enmesh.Fixed(false, chain...)))
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		srv := httptest.NewUnstartedServer(mux)
		srv.EnableHTTP2 = proto == "HTTP/2.0"
		srv.Config.ErrorLog = quiet
		srv.StartTLS()
		t.Cleanup(srv.Close)
		for path := range handlers {
			checkSigned(t, srv, proto, path)
		}
		for path := range chains {
			checkSigned(t, srv, proto, path)
		}
	}
}

func checkSigned(t *testing.T, srv *httptest.Server, proto, path string) {
	t.Helper()
	resp, err := srv.Client().Get(srv.URL + path)
	if err != nil {
		t.Errorf("%s %s: %v", proto, path, err)
		return
	}
	_ = body(t, resp)
	if got := strings.Join(resp.Header["X-Signed"], ","); got != "mesh" || resp.Proto != proto {
		t.Errorf("%s %s: signed by %q over %s, want mesh", proto, path, got, resp.Proto)
	}
}

// after has a policy refuse a call that its handler has dealt with, without writing.
func after(e *enmesh.Error) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			_ = next(ctx, c)
			return e
		}
	}
}

// A client's caller gets the head as it is edited last: that of an answer that came, of
// whatever status and attempt, and of one that was made up.
func TestTransport_editsTheHeadLast(t *testing.T) {
	var served atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		w.Header()["X-Signed"] = []string{"handler", "twice"}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	twice := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			_ = next(ctx, c)
			c.Again()
			return next(ctx, c)
		}
	}
	denied := &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral, Status: 403}
	for name, tt := range map[string]struct {
		chain  []enmesh.Middleware
		status int
		served int32
	}{
		"an answer":          {[]enmesh.Middleware{signs}, 503, 1},
		"the second attempt": {[]enmesh.Middleware{signs, twice}, 503, 2},
		"a reply":            {[]enmesh.Middleware{signs, repliesWith(200, nil)}, 200, 0},
		"a refusal's reply":  {[]enmesh.Middleware{signs, repliesWith(403, denied)}, 403, 0},
	} {
		served.Store(0)
		tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, tt.chain...), oneCluster{newCluster(nil, srv.Listener.Addr().String())})
		resp, err := (&http.Client{Transport: tr}).Get("http://reviews/")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = body(t, resp)
		if got := strings.Join(resp.Header["X-Signed"], ","); got != "mesh" || resp.StatusCode != tt.status || served.Load() != tt.served {
			t.Errorf("%s: status %d, signed by %q, served %d times; want %d, mesh and %d", name, resp.StatusCode, got, served.Load(), tt.status, tt.served)
		}
		_ = tr.Close()
	}
}
