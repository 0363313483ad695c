// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/timeout"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// identities is a Source that expects each endpoint's service account.
type identities struct {
	oneCluster
	clients *mtls.Clients
	domain  string
}

func (s identities) ClientTLS(e *balance.Endpoint) *tls.Config {
	info := e.Info()
	if info.ServiceAccount == "" {
		return s.clients.For()
	}
	id, err := security.IDFor(s.domain, info.Namespace, info.ServiceAccount)
	if err != nil {
		return s.clients.For()
	}
	return s.clients.For(id)
}

func source(t *testing.T, authority *ca.Development, account string) security.Source {
	t.Helper()
	s, err := authority.Source("default", account)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMutualTLS_endToEnd(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ca.NewDevelopment("elsewhere", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var caller atomic.Value
	handler := meshhttp.NewHandler(status(200, "five stars"), enmesh.Fixed(false, before(func(_ context.Context, c *enmesh.Call) error {
		caller.Store(c.Source.Identity)
		return nil
	})))
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = quiet
	srv.EnableHTTP2 = true
	srv.TLS = mtls.Server(source(t, authority, "reviews"))
	srv.StartTLS()
	defer srv.Close()
	one := new(http.Protocols)
	one.SetHTTP1(true)
	trusted, untrusted := source(t, authority, "productpage"), mixed(t, stranger, authority)
	for _, tt := range []struct {
		name    string
		base    http.RoundTripper
		account string // that the registry tells
		own     security.Source
		proto   string // "": refused
	}{
		{"the right account", nil, "reviews", trusted, "HTTP/2.0"},
		{"the right account over HTTP/1.1", &http.Transport{Protocols: one}, "reviews", trusted, "HTTP/1.1"},
		{"another account", nil, "ratings", trusted, ""},
		{"an unknown account", nil, "", trusted, ""},
		{"a client whom the server does not trust", nil, "reviews", untrusted, ""},
		{"the same over HTTP/1.1", &http.Transport{Protocols: one}, "reviews", untrusted, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gate := &recorder{}
			cluster := newCluster(gate)
			cluster.Apply([]discovery.Endpoint{{Addrs: []string{srv.Listener.Addr().String()}, Namespace: "default", ServiceAccount: tt.account}})
			tr := meshhttp.NewTransport(tt.base, enmesh.Fixed(false), identities{oneCluster{cluster}, mtls.NewClients(tt.own), "cluster.local"})
			defer tr.Close()
			resp, err := (&http.Client{Transport: tr}).Post("http://reviews/", "text/plain", strings.NewReader("x"))
			if tt.proto != "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := body(t, resp); got != "five stars" || resp.Proto != tt.proto || caller.Load() != "spiffe://cluster.local/ns/default/sa/productpage" {
					t.Errorf("got %q over %s from %v", got, resp.Proto, caller.Load())
				}
			} else if e := enmesh.ErrorOf(err); e == nil || e.Code != enmesh.Unavailable || e.Outcome != enmesh.Failure ||
				tt.own == trusted && (!e.Unsent || e.Flag != enmesh.FlagConnectFailure) {
				// A server refuses the client's certificate when the client is writing
				// already (TLS 1.3): often, but not always, the alert is seen.
				t.Errorf("got %v, want UF, unsent", err)
			}
			gate.settled(t, 1)
		})
	}
}

// mixed shows one authority's certificate and trusts both.
func mixed(t *testing.T, shows, trusts *ca.Development) security.Source {
	t.Helper()
	own, err := source(t, shows, "productpage").Identity()
	if err != nil {
		t.Fatal(err)
	}
	both, err := security.NewIdentity(*own.Certificate(), map[string][]*x509.Certificate{
		shows.TrustDomain(): shows.Roots(), trusts.TrustDomain(): trusts.Roots(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return security.Fixed(both)
}

func TestTimeouts_boundTheHeadAndNotTheBody(t *testing.T) {
	var n atomic.Int64
	w := newWorld(t, meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			<-r.Context().Done() // the first attempt hangs
			return
		}
		for range 4 { // the second streams for longer than its limit
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			case <-time.After(150 * time.Millisecond):
			}
		}
	}), enmesh.Fixed(false)))
	on, err := retry.ParseOn("gateway-error")
	if err != nil {
		t.Fatal(err)
	}
	again, err := retry.New(retry.Config{On: on, BaseBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	c := w.client(t, nil, true, again, timeout.Attempt(400*time.Millisecond))
	if _, got := get(t, c, "http://svc/"); got != "xxxx" {
		t.Errorf("got %q, want the whole stream", got)
	}
	if got := w.gate.outcomes(); n.Load() != 2 || len(got) != 2 || got[0] != enmesh.Failure || got[1] != enmesh.Success {
		t.Errorf("%d attempts: got %v, want failure, then success", n.Load(), got)
	}
}

func TestDeadline_belongsToItsOwnerWhoeverIsFirst(t *testing.T) {
	served := &recorder{}
	srv := serve(t, served, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	w := worldOf(srv)
	c := w.client(t, nil, false)
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 40 {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
				resp, err := c.Do(must(http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)))
				if err == nil {
					if resp.StatusCode != http.StatusGatewayTimeout {
						wrong.Add(1)
					}
					_ = readAll(resp)
				} else if !errors.Is(err, context.DeadlineExceeded) {
					wrong.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 0 {
		t.Errorf("%d of 320 callers got neither 504 nor their deadline", wrong.Load())
	}
	for name, gate := range map[string]*recorder{"endpoint": w.gate, "call": w.guard, "server": served} {
		eventually(t, name+" gate hears all", func() bool { return gate.admitted.Load() == gate.done.Load() })
		for _, o := range gate.outcomes() {
			if o != enmesh.Neutral {
				t.Errorf("%s gate: got %v, want only neutral", name, o)
				break
			}
		}
	}
}

func TestTransport_setsThatChangeUnderLoad(t *testing.T) {
	h := status(200, "hello")
	var all []discovery.Endpoint
	for range 3 {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		all = append(all, endpoints(srv.Listener.Addr().String())...)
	}
	gate := &recorder{}
	cluster := newCluster(gate)
	cluster.Apply(all)
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, again(3)), oneCluster{cluster})
	defer tr.Close()
	c := &http.Client{Transport: tr}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				cluster.Apply(all[i%3 : i%3+1])
			}
		}
	})
	var failed atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 50 {
				resp, err := c.Get("http://svc/")
				if err != nil {
					t.Error(err)
					failed.Add(1)
					return
				}
				if err := readAll(resp); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	callers.Wait()
	close(stop)
	wg.Wait()
	if failed.Load() != 0 {
		t.Errorf("%d of 400 calls failed", failed.Load())
	}
	eventually(t, "every admission is released", func() bool { return gate.admitted.Load() == gate.done.Load() })
}

func TestTransport_policiesEditTheAnswersHeader(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "secret")
	}))
	c := w.client(t, nil, false, seen(func(c *enmesh.Call, _ error) {
		h := c.Answer.Header
		h.Del("server")
		h.Set("x-version", "v2")
		h.Add("x-version", "v3")
		if h.Get("X-Version") != "v2" || len(h.Values("x-version")) != 2 {
			t.Errorf("inside: %v", h)
		}
	}))
	resp, _ := get(t, c, "http://svc/")
	if resp.Header.Get("Server") != "" || len(resp.Header["X-Version"]) != 2 {
		t.Errorf("outside: %v", resp.Header)
	}
}
