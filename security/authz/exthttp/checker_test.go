// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package exthttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/exthttp"
)

func allow(http.ResponseWriter, *http.Request) {}

func TestChecker_asks(t *testing.T) {
	a := newAuthorizer(t, allow)
	k := mustNew(t, a, exthttp.Config{
		PathPrefix:                      "/check",
		IncludeRequestHeadersInCheck:    []string{"Authorization", "x-auth-*", "*-id", "host"},
		IncludeAdditionalHeadersInCheck: map[string]string{"x-mesh": "enmesh", "x-auth-mode": "ours"},
	})
	c := call()
	c.Method = "PUT"
	c.Header = enmeshtest.Header{
		"Authorization": {"Bearer t"}, "X-Auth-A": {"1", "2"}, "X-Auth-Mode": {"theirs"}, "Request-Id": {"7"},
		"Cookie": {"s=1"}, "Content-Length": {"9"}, "Transfer-Encoding": {"chunked"}, "Bad Name-Id": {"x"},
	}
	if err := k.Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	r := a.last(t)
	if r.Method != "PUT" || r.RequestURI != "/check/a%20b?x=1" || r.Host != "shop.example" || r.ContentLength != 0 {
		t.Errorf("asked %s %s of %s with %d bytes, want PUT /check/a%%20b?x=1 of shop.example without any",
			r.Method, r.RequestURI, r.Host, r.ContentLength)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer t", "X-Auth-A": "1|2", "X-Auth-Mode": "ours", "Request-Id": "7", "X-Mesh": "enmesh",
		"Cookie": "", "Bad Name-Id": "", "User-Agent": "",
	} {
		if got := strings.Join(r.Header[name], "|"); got != want {
			t.Errorf("header %s: got %q, want %q", name, got, want)
		}
	}
}

func TestChecker_allows(t *testing.T) {
	a := newAuthorizer(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["X-User"], h["X-Groups"], h["X-Trace"], h["X-Other"] = []string{"ann"}, []string{"a", "b"}, []string{"t"}, []string{"o"}
	})
	k := mustNew(t, a, exthttp.Config{
		HeadersToUpstreamOnAllow: []string{"x-user", "x-g*", "content-length"}, HeadersToDownstreamOnAllow: []string{"x-trace"},
	})
	c := call()
	c.Header = enmeshtest.Header{"X-User": {"mallory", "eve"}, "X-Other": {"mine"}}
	if err := k.Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := c.Header.Values("X-User"); len(got) != 1 || got[0] != "ann" {
		t.Errorf("X-User: got %q, want ann alone", got)
	}
	if got := c.Header.Values("X-Groups"); len(got) != 2 {
		t.Errorf("X-Groups: got %q, want both", got)
	}
	if c.Header.Get("X-Other") != "mine" || c.Header.Get("X-Trace") != "" || c.Header.Get("Content-Length") != "" {
		t.Errorf("the request has %v, want no header that is not listed", c.Header)
	}
	if c.Answer.Header.Get("X-Trace") != "t" || c.Answer.Header.Get("X-User") != "" {
		t.Errorf("the answer has %v, want X-Trace alone", c.Answer.Header)
	}
	if got := k.Stats(); got != (exthttp.Stats{Allowed: 1}) {
		t.Errorf("got %+v, want one allowed", got)
	}
}

// The authorizer's refusal is the caller's answer, through a real server.
func TestChecker_denies(t *testing.T) {
	for _, tt := range []struct {
		status, want int
		code         enmesh.Code
	}{
		{403, 403, enmesh.PermissionDenied}, {401, 401, enmesh.Unauthenticated}, {302, 302, enmesh.PermissionDenied},
		{429, 429, enmesh.ResourceExhausted}, {404, 404, enmesh.NotFound}, {204, 403, enmesh.PermissionDenied}, {201, 403, enmesh.PermissionDenied},
	} {
		a := newAuthorizer(t, func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Location", "https://login.example/?back=1")
			h.Set("WWW-Authenticate", "Bearer")
			h["Set-Cookie"] = []string{"a=1", "b=2"}
			h.Set("Content-Type", "text/x-no")
			w.WriteHeader(tt.status)
			if tt.status != 204 {
				_, _ = w.Write([]byte("go away"))
			}
		})
		ran := false
		url := serve(t, mustNew(t, a, exthttp.Config{}), func(http.ResponseWriter, *http.Request) { ran = true })
		resp, body := ask(t, url, nil)
		if ran || resp.StatusCode != tt.want || tt.status != 204 && body != "go away" {
			t.Errorf("status %d: got %d %q, handler ran %t; want %d and the authorizer's body", tt.status, resp.StatusCode, body, ran, tt.want)
		}
		if got := resp.Header; got.Get("Location") == "" || got.Get("Www-Authenticate") == "" || len(got["Set-Cookie"]) != 2 ||
			tt.status != 204 && got.Get("Content-Type") != "text/x-no" {
			t.Errorf("status %d: got the headers %v, want the authorizer's", tt.status, got)
		}
		c := call()
		c.Protocol = enmesh.GRPC
		err := mustNew(t, a, exthttp.Config{}).Check(t.Context(), c)
		if e := enmesh.ErrorOf(err); !errors.Is(err, exthttp.ErrDenied) || e.Code != tt.code || e.Outcome != enmesh.Neutral || e.Flag != exthttp.FlagDenied {
			t.Errorf("status %d in gRPC: got %v, want %v, Neutral, UAEX", tt.status, err, tt.code)
		}
		if c.Answer.Header.Get("Www-Authenticate") != "Bearer" || c.Answer.Header.Get("Content-Type") != "" {
			t.Errorf("status %d in gRPC: the answer has %v, want the headers but the content type", tt.status, c.Answer.Header)
		}
	}
}

func TestChecker_listsHeadersOfADenial(t *testing.T) {
	a := newAuthorizer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Why", "no")
		w.Header().Set("X-Secret", "s")
		w.Header().Set("Location", "/")
		w.WriteHeader(403)
	})
	c := call()
	err := mustNew(t, a, exthttp.Config{HeadersToDownstreamOnDeny: []string{"x-why"}}).Check(t.Context(), c)
	r := c.ReplyFor(err)
	if r == nil || r.Header["X-Why"] == nil || r.Header["Location"] == nil || r.Header["X-Secret"] != nil {
		t.Errorf("got the reply %+v, want X-Why and Location, and not X-Secret", r)
	}
}

// A huge body is cut, and its length goes with it.
func TestChecker_cutsTheBody(t *testing.T) {
	a := newAuthorizer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
	})
	resp, body := ask(t, serve(t, mustNew(t, a, exthttp.Config{}), allow), nil)
	if len(body) != 64<<10 || resp.StatusCode != 403 {
		t.Errorf("got %d with %d bytes, want 403 with 65536", resp.StatusCode, len(body))
	}
}

// recorder counts what it is told.
type recorder struct{ n int }

func (r *recorder) Record(_ *enmesh.Call, d enmesh.Decision) {
	if d == (enmesh.Decision{Policy: "exthttp", Action: enmesh.ActionDegrade}) {
		r.n++
	}
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("boom") }

// Errors, timeouts, panics and answers that are none refuse the call, and are counted; only
// FailOpen lets them through.
func TestScenarioA9_authorizerFails(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for name, tt := range map[string]struct {
		do  http.HandlerFunc
		cfg exthttp.Config
	}{
		"an error":    {do: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		"unavailable": {do: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }},
		"a timeout":   {do: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, cfg: exthttp.Config{Timeout: 20 * time.Millisecond}},
		"cut off":     {do: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"a body cut": {do: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			w.WriteHeader(403)
		}},
		"nobody there":  {do: allow, cfg: exthttp.Config{URL: "http://127.0.0.1:1"}},
		"a panic":       {do: allow, cfg: exthttp.Config{Client: &http.Client{Transport: panics{}}}},
		"a huge header": {do: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }},
	} {
		for _, open := range []bool{false, true} {
			var heard recorder
			cfg := tt.cfg
			cfg.FailOpen, cfg.Recorder = open, &heard
			k := mustNew(t, newAuthorizer(t, tt.do), cfg)
			err := k.Check(t.Context(), call())
			if open && err != nil || !open && !errors.Is(err, exthttp.ErrService) {
				t.Errorf("%s, open %t: got %v", name, open, err)
			}
			if e := enmesh.ErrorOf(err); !open && (e.Status != 403 || e.Code != enmesh.PermissionDenied || e.Outcome != enmesh.Neutral) {
				t.Errorf("%s: got %+v, want 403, PERMISSION_DENIED, Neutral", name, e)
			}
			if k.Stats().Failed != 1 || heard.n != 1 {
				t.Errorf("%s, open %t: counted %+v, recorded %d; want one failure", name, open, k.Stats(), heard.n)
			}
		}
	}
	k := mustNew(t, newAuthorizer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), exthttp.Config{StatusOnError: 503})
	resp, body := ask(t, serve(t, k, allow), nil)
	if resp.StatusCode != 503 || strings.Contains(body, "127.0.0.1") {
		t.Errorf("StatusOnError: got %d %q, want 503 and nothing of the authorizer", resp.StatusCode, body)
	}
}

// The audit and the count of an Engine tell an authorizer that gives no answer from one that
// denies, whatever the caller is answered.
func TestChecker_failureIsTold(t *testing.T) {
	answering := func(code int) authz.Checker {
		return mustNew(t, newAuthorizer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }), exthttp.Config{})
	}
	for name, tt := range map[string]struct {
		k      authz.Checker
		failed bool
	}{
		"no answer": {answering(500), true},
		"a denial":  {answering(403), false},
	} {
		var heard authz.Decision
		e, err := authz.New(authz.Config{
			Policies: []authz.Policy{{Name: "ask", Action: authz.Custom, Provider: "it", Rules: []authz.Rule{{}}}},
			Checkers: map[string]authz.Checker{"it": tt.k},
			Audit:    func(_ context.Context, _ *enmesh.Call, d *authz.Decision) { heard = *d },
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Admit(t.Context(), call())
		if no := enmesh.ErrorOf(err); no == nil || no.Status != 403 || no.Outcome != enmesh.Neutral || errors.Is(err, authz.ErrNoDecision) != tt.failed {
			t.Errorf("%s: got %v, want 403, Neutral", name, err)
		}
		if heard.Failed != tt.failed || heard.Allowed || heard.Policy != "ask" || (e.Failures() == 1) != tt.failed {
			t.Errorf("%s: the audit heard %+v, and %d failures are counted; want failed %t", name, heard, e.Failures(), tt.failed)
		}
	}
}

// A call whose caller goes, or whose time is up, ends for that reason, also where the
// configuration fails open.
func TestChecker_callEnds(t *testing.T) {
	a := newAuthorizer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	k := mustNew(t, a, exthttp.Config{FailOpen: true, Timeout: 10 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := k.Check(ctx, call()); !errors.Is(err, enmesh.ErrDeadline) {
		t.Errorf("out of time: got %v, want ErrDeadline", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if err := k.Check(ctx, call()); !errors.Is(err, enmesh.ErrCanceled) {
		t.Errorf("the caller gone: got %v, want ErrCanceled", err)
	}
	if got := k.Stats(); got.Failed != 0 {
		t.Errorf("got %+v, want nothing failed", got)
	}
}

// What cannot be asked about is refused, not let through unasked.
func TestChecker_refusesWhatItCannotAsk(t *testing.T) {
	a := newAuthorizer(t, allow)
	k := mustNew(t, a, exthttp.Config{})
	for _, edit := range []func(*enmesh.Call){
		func(c *enmesh.Call) { c.Path = "" }, func(c *enmesh.Call) { c.Path = "*" },
		func(c *enmesh.Call) { c.Method = "CONNECT" }, func(c *enmesh.Call) { c.Method = "A B" },
	} {
		c := call()
		edit(c)
		if err := k.Check(t.Context(), c); !errors.Is(err, exthttp.ErrService) {
			t.Errorf("%s %q: got %v, want it refused", c.Method, c.Path, err)
		}
	}
	// What looks like another host or path in the call's path is a path.
	for path, want := range map[string]string{"//evil.example/x": "//evil.example/x", "/a?b#c": "/a%3Fb%23c", "/\u00e9": "/%C3%A9"} {
		c := call()
		c.Path, c.Query = path, ""
		if err := k.Check(t.Context(), c); err != nil || a.last(t).RequestURI != want {
			t.Errorf("%q: asked about %q, %v; want %q", path, a.last(t).RequestURI, err, want)
		}
	}
}

func TestChecker_followsNoRedirection(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(allow))
	defer elsewhere.Close()
	a := newAuthorizer(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if err := mustNew(t, a, exthttp.Config{Client: own}).Check(t.Context(), call()); !errors.Is(err, exthttp.ErrDenied) {
		t.Errorf("got %v, want a denial", err)
	}
}

func TestNew_refuses(t *testing.T) {
	for name, cfg := range map[string]exthttp.Config{
		"URL":                             {},
		"URL.":                            {URL: "authz:8000"},
		"URL..":                           {URL: "http://a/check"},
		"URL...":                          {URL: "ftp://a"},
		"URL....":                         {URL: "http://u:p@a"},
		"PathPrefix":                      {URL: "http://a", PathPrefix: "check"},
		"PathPrefix.":                     {URL: "http://a", PathPrefix: "/check?x"},
		"Timeout":                         {URL: "http://a", Timeout: -1},
		"Timeout.":                        {URL: "http://a", Timeout: time.Hour},
		"StatusOnError":                   {URL: "http://a", StatusOnError: 200},
		"IncludeRequestHeadersInCheck":    {URL: "http://a", IncludeRequestHeadersInCheck: []string{"a b"}},
		"IncludeAdditionalHeadersInCheck": {URL: "http://a", IncludeAdditionalHeadersInCheck: map[string]string{"x": "a\r\nb"}},
		"HeadersToUpstreamOnAllow":        {URL: "http://a", HeadersToUpstreamOnAllow: []string{""}},
		"HeadersToDownstreamOnDeny":       {URL: "http://a", HeadersToDownstreamOnDeny: []string{"x*y"}},
		"HeadersToDownstreamOnAllow":      {URL: "http://a", HeadersToDownstreamOnAllow: []string{":status"}},
	} {
		field := strings.TrimRight(name, ".")
		if k, err := exthttp.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "exthttp: "+field) || strings.Contains(err.Error(), ":p@") {
			t.Errorf("%s: got %v, %v, want a refusal that names it", name, k, err)
		}
	}
}

// A question and its answer over loopback.
func BenchmarkCheck(b *testing.B) {
	k, c := mustNew(b, newAuthorizer(b, allow), exthttp.Config{}), call()
	b.ReportAllocs()
	for b.Loop() {
		if err := k.Check(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
