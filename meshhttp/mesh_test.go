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
	"strconv"
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
	const limit, calls, callers = 5 * time.Millisecond, 504, 8
	tests := []struct {
		name   string
		chain  []enmesh.Middleware
		caller time.Duration
		want   enmesh.Outcome
	}{
		{"a policy's", []enmesh.Middleware{timeout.Attempt(limit)}, 10 * time.Second, enmesh.Failure},
		{"the caller's", nil, limit, enmesh.Neutral},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			served := &recorder{}
			srv := serve(t, served, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			w := worldOf(srv)
			c := w.client(t, nil, false, tt.chain...)
			var wg sync.WaitGroup
			var wrong atomic.Int64
			for range callers {
				wg.Go(func() {
					for range calls / callers {
						ctx, cancel := context.WithTimeout(context.Background(), tt.caller)
						resp, err := c.Do(must(http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)))
						if err == nil {
							if resp.StatusCode != http.StatusGatewayTimeout {
								wrong.Add(1)
							}
							_ = readAll(resp)
						} else if own := enmesh.ErrorOf(err); tt.want == enmesh.Failure && (own == nil || own.Flag != enmesh.FlagTimeout) ||
							tt.want == enmesh.Neutral && !errors.Is(err, context.DeadlineExceeded) {
							wrong.Add(1)
						}
						cancel()
					}
				})
			}
			wg.Wait()
			if wrong.Load() != 0 {
				t.Errorf("%d of %d callers got neither 504 nor the end of the deadline that was first", wrong.Load(), calls)
			}
			for name, heard := range map[string]struct {
				gate *recorder
				want enmesh.Outcome
			}{"endpoint": {w.gate, tt.want}, "call": {w.guard, tt.want}, "server": {served, enmesh.Neutral}} {
				eventually(t, name+" gate hears all", func() bool { return heard.gate.admitted.Load() == heard.gate.done.Load() })
				for _, o := range heard.gate.outcomes() {
					if o != heard.want {
						t.Errorf("%s gate: got %v, want only %v", name, o, heard.want)
						break
					}
				}
			}
		})
	}
}

// A retry that is not made, for whatever reason, leaves the answer to the caller as it came.
func TestTransport_retryThatIsNotMadeLeavesTheAnswer(t *testing.T) {
	on, err := retry.ParseOn("5xx")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		config retry.Config
		body   io.Reader
		within time.Duration
		want   int64 // attempts
	}{
		{"nothing stands against it", retry.Config{MaxAttempts: 2}, nil, 0, 2},
		{"the budget is empty", retry.Config{MaxAttempts: 2, Budget: broke{}}, nil, 0, 1},
		{"the wait that the server wants ends after the deadline", retry.Config{MaxAttempts: 2, MaxBackoff: time.Minute}, nil, 20 * time.Second, 1},
		{"its body cannot be sent again", retry.Config{MaxAttempts: 2}, &closing{Reader: strings.NewReader("once")}, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int64
			w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("X-Attempt", strconv.FormatInt(n.Add(1), 10))
				if tt.within > 0 {
					w.Header().Set("Retry-After", "300")
				}
				w.WriteHeader(503)
				_, _ = io.WriteString(w, strings.Repeat("why ", 10_000))
			}))
			tt.config.On = on
			again, err := retry.New(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if tt.within > 0 {
				ctx, cancel = context.WithTimeout(ctx, tt.within)
			}
			defer cancel()
			resp, err := w.client(t, nil, true, again).Do(must(http.NewRequestWithContext(ctx, "PUT", "http://svc/", tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			if got := body(t, resp); resp.StatusCode != 503 || len(got) != 40_000 || resp.Header.Get("X-Attempt") != strconv.FormatInt(tt.want, 10) {
				t.Errorf("status %d, body of %d bytes, of attempt %s; want the 503 of attempt %d, whole", resp.StatusCode, len(got), resp.Header.Get("X-Attempt"), tt.want)
			}
			if n.Load() != tt.want {
				t.Errorf("%d attempts, want %d", n.Load(), tt.want)
			}
		})
	}
}

// broke is a budget without anything in it.
type broke struct{}

func (broke) Take() bool { return false }
func (broke) Refund()    {}

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
