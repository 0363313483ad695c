// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/fallback"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// site is an HTTP server that can be told to fail.
type site struct {
	*httptest.Server
	down  atomic.Bool
	asked atomic.Int64
	serve http.HandlerFunc
}

func newSite(t *testing.T, serve http.HandlerFunc) *site {
	t.Helper()
	s := &site{serve: serve}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if s.down.Load() {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		s.serve(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) client(t *testing.T, ms ...enmesh.Middleware) *http.Client {
	t.Helper()
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, ms...), nil)
	t.Cleanup(func() { _ = tr.Close() })
	return &http.Client{Transport: tr}
}

// fetch is one exchange: the status, the body, and the mark.
func fetch(t *testing.T, c *http.Client, method, url string, header ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", resp.StatusCode, strings.TrimSpace(string(body)), resp.Header.Get(fallback.Header)))
}

func TestFallback_keepsTheLastGoodAnswer(t *testing.T) {
	long := strings.Repeat("x", fallback.MaxBody+1)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cookie":
			w.Header().Set("Set-Cookie", "a=b")
		case "/private":
			w.Header().Set("Cache-Control", "max-age=1, Private")
		case "/any":
			w.Header().Set("Vary", "*")
		case "/vary":
			w.Header().Set("Vary", "Accept-Language")
		case "/long":
			_, _ = io.WriteString(w, long)
			return
		case "/none":
			w.WriteHeader(http.StatusNoContent)
			return
		}
		fmt.Fprintf(w, "%s %s %s%s", r.Method, r.URL.RequestURI(), r.Header.Get("Accept-Language"), r.Header.Get("Authorization"))
	})
	plain := s.client(t, mustNew(t, fallback.Config{Cache: fallback.Cache{On: true}}))
	secret := s.client(t, mustNew(t, fallback.Config{Cache: fallback.Cache{On: true, Credentials: true, Headers: "X-Tenant"}}))
	tests := []struct {
		name         string
		client       *http.Client
		method, path string
		header       []string // of the first request
		then         []string // of the second; nil: the same
		want         string   // "": the failure
	}{
		{"the same", plain, "GET", "/a?b=c", nil, nil, "200 GET /a?b=c cache"},
		{"HEAD", plain, "HEAD", "/head", nil, nil, "200  cache"},
		{"POST", plain, "POST", "/post", nil, nil, ""},
		{"PUT", plain, "PUT", "/put", nil, nil, ""},
		{"a cookie set", plain, "GET", "/cookie", nil, nil, ""},
		{"private", plain, "GET", "/private", nil, nil, ""},
		{"any", plain, "GET", "/any", nil, nil, ""},
		{"too long", plain, "GET", "/long", nil, nil, ""},
		{"no 200", plain, "GET", "/none", nil, nil, ""},
		{"part of it", plain, "GET", "/range", []string{"Range", "bytes=0-1"}, nil, ""},
		{"somebody's own", plain, "GET", "/own", []string{"Authorization", "me"}, nil, ""},
		{"not for one with a cookie", plain, "GET", "/own2", nil, []string{"Cookie", "a=b"}, ""},
		{"varies", plain, "GET", "/vary", []string{"Accept-Language", "de"}, nil, "200 GET /vary de cache"},
		{"varies otherwise", plain, "GET", "/vary", []string{"Accept-Language", "de"}, []string{"Accept-Language", "fr"}, ""},
		{"the same credentials", secret, "GET", "/own", []string{"Authorization", "me"}, nil, "200 GET /own me cache"},
		{"other credentials", secret, "GET", "/own", []string{"Authorization", "me"}, []string{"Authorization", "you"}, ""},
		{"another tenant", secret, "GET", "/tenant", []string{"X-Tenant", "a"}, []string{"X-Tenant", "b"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.down.Store(false)
			first := fetch(t, tt.client, tt.method, s.URL+tt.path, tt.header...)
			if strings.Contains(first, "cache") || !strings.HasPrefix(first, "20") {
				t.Fatalf("first: %.60q, want the server's own", first)
			}
			s.down.Store(true)
			then := tt.then
			if then == nil {
				then = tt.header
			}
			want := tt.want
			if want == "" {
				want = "500 down"
			}
			got := strings.Join(strings.Fields(fetch(t, tt.client, tt.method, s.URL+tt.path, then...)), " ")
			if got != strings.Join(strings.Fields(want), " ") {
				t.Errorf("while the server is down: %.60q, want %q", got, want)
			}
		})
	}
}

func TestFallback_boundsWhatItKeeps(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1000)) })
	for name, cfg := range map[string]fallback.Cache{
		"number": {On: true, MaxEntries: 3},
		"bytes":  {On: true, MaxBytes: 3 * 2000},
	} {
		c := s.client(t, mustNew(t, fallback.Config{Cache: cfg}))
		s.down.Store(false)
		for i := range 10 {
			fetch(t, c, "GET", fmt.Sprintf("%s/%d", s.URL, i))
		}
		s.down.Store(true)
		kept := 0
		for i := range 10 {
			if strings.HasPrefix(fetch(t, c, "GET", fmt.Sprintf("%s/%d", s.URL, i)), "200") {
				kept++
				if i < 7 {
					t.Errorf("%s: answer %d is kept, want the latest three", name, i)
				}
			}
		}
		if kept != 3 {
			t.Errorf("%s: %d answers kept, want 3", name, kept)
		}
	}
}

// What the caller did not read to its end was perhaps not all there.
func TestFallback_keepsNoPartOfAnAnswer(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
		if r.URL.Path == "/broken" {
			panic(http.ErrAbortHandler)
		}
	})
	c := s.client(t, mustNew(t, fallback.Config{Cache: fallback.Cache{On: true}}))
	for _, path := range []string{"/left", "/broken"} {
		s.down.Store(false)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(100)
		if path == "/broken" {
			n = 1 << 20
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, n))
		_ = resp.Body.Close()
		s.down.Store(true)
		if got := fetch(t, c, "GET", s.URL+path); got != "500 down" {
			t.Errorf("%s: %.40q is handed out, want nothing kept", path, got)
		}
	}
}

func TestFallback_forgetsOldAnswers(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
	c := s.client(t, mustNew(t, fallback.Config{Cache: fallback.Cache{On: true, MaxAge: 20 * time.Millisecond}}))
	fetch(t, c, "GET", s.URL)
	s.down.Store(true)
	for end := time.Now().Add(10 * time.Second); ; {
		if strings.HasPrefix(fetch(t, c, "GET", s.URL), "500") {
			return
		}
		if time.Now().After(end) {
			t.Fatal("an answer of 20 ms is kept for 10 s")
		}
	}
}

func TestFallback_ofHTTP(t *testing.T) {
	s := newSite(t, nil)
	s.down.Store(true)
	c := s.client(t, mustNew(t, fallback.Config{Static: fallback.Static{Status: 200, ContentType: "application/json", Body: `{"a":[]}`}}))
	for _, method := range []string{"GET", "POST"} {
		if got := fetch(t, c, method, s.URL); got != `200 {"a":[]} static` {
			t.Errorf("%s: got %q, want the static answer", method, got)
		}
	}
}

// A far side that hangs is made up for when the route's own time is over.
func TestFallback_afterTheRoutesTimeout(t *testing.T) {
	stop := make(chan struct{})
	s := newSite(t, func(http.ResponseWriter, *http.Request) { <-stop })
	defer close(stop)
	m := mustNew(t, fallback.Config{Static: hello})
	c := s.client(t, timeout.Overall(50*time.Millisecond), m)
	if got := fetch(t, c, "GET", s.URL); got != "200 hello static" {
		t.Errorf("got %q, want the static answer", got)
	}
	rpcs := newRPC(t, "hangs")
	rpcs.hang = stop
	message := fallback.Static{HasMessage: true}
	g := dial(t, source(map[string]string{"first": rpcs.addr}), enmesh.Chain(timeout.Overall(50*time.Millisecond), mustNew(t, fallback.Config{Static: message})))
	if _, err := g.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
		t.Errorf("gRPC: %v, want the static message", err)
	}
}

// A server answers for a policy of its own chain that refuses, and not for its handler.
func TestFallback_ofAnHTTPServer(t *testing.T) {
	refuse := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if c.Path == "/refused" {
				return refused
			}
			return next(ctx, c)
		}
	}
	h := meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "own", http.StatusBadGateway) }),
		enmesh.Fixed(false, mustNew(t, fallback.Config{Static: hello}), refuse))
	srv := httptest.NewServer(h)
	defer srv.Close()
	for path, want := range map[string]string{"/refused": "200 hello static", "/": "502 own"} {
		if got := fetch(t, srv.Client(), "GET", srv.URL+path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// As over HTTP: what the chain refuses is made up for, what the handler answers is not.
func TestFallback_ofAGRPCServer(t *testing.T) {
	message, err := proto.Marshal(&testpb.SimpleResponse{Username: "made up"})
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if c.Header.Get("refuse") != "" {
				return refused
			}
			return next(ctx, c)
		}
	}
	static := fallback.Config{Static: fallback.Static{HasMessage: true, Message: string(message)}}
	function := fallback.Function(func(_ context.Context, c *enmesh.Call, _ error) *enmesh.Reply {
		return &enmesh.Reply{Status: 200, Header: map[string][]string{"Content-Type": {enmesh.MessageType}, "X-For": {c.Path}}, Body: message}
	})
	for kind, m := range map[string]enmesh.Middleware{
		"static": mustNew(t, static), "function": mustNew(t, fallback.Config{}, function),
	} {
		t.Run(kind, func(t *testing.T) {
			s := newRPC(t, "own", meshgrpc.NewServer(enmesh.Fixed(false, m, refuse)).Options()...)
			cc, err := grpc.NewClient("passthrough:///"+s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			client := testpb.NewTestServiceClient(cc)
			wanted := metadata.AppendToOutgoingContext(t.Context(), "refuse", "yes")
			var head metadata.MD
			resp, err := client.UnaryCall(wanted, &testpb.SimpleRequest{}, grpc.Header(&head))
			if err != nil || resp.GetUsername() != "made up" || strings.Join(head.Get(fallback.Header), ",") != kind {
				t.Errorf("refused: %v, %v with %v; want the made-up message", resp, err, head)
			}
			if got := head.Get("x-for"); kind == "function" && (len(got) != 1 || got[0] != "/grpc.testing.TestService/UnaryCall") {
				t.Errorf("the function's own header = %v", got)
			}
			if resp, err = client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil || resp.GetUsername() != "own" {
				t.Errorf("while all is well: %v, %v", resp, err)
			}
			s.down.Store(true)
			if _, err = client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
				t.Errorf("the handler's failure: %v, want UNAVAILABLE", err)
			}
			stream, err := client.FullDuplexCall(wanted)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = stream.Recv(); status.Code(err) != codes.Unavailable {
				t.Errorf("a refused stream: %v, want UNAVAILABLE", err)
			}
		})
	}
}

// source is where the services stand, each at one address.
func source(addrs map[string]string) balance.Source {
	services := map[string][]discovery.Endpoint{}
	for name, addr := range addrs {
		services[name] = []discovery.Endpoint{{Addrs: []string{addr}}}
	}
	return balance.NewStaticSource(services, nil)
}

func TestFallback_sendsElsewhere(t *testing.T) {
	first, spare := newSite(t, nil), newSite(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "spare has %s", body)
	})
	first.down.Store(true)
	src := source(map[string]string{"first": first.Listener.Addr().String(), "spare": spare.Listener.Addr().String()})
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, mustNew(t, fallback.Config{Destination: enmesh.Destination{Service: "spare"}})), src)
	defer tr.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://first/", strings.NewReader("it"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "spare has it" || resp.Header.Get(fallback.Header) != "destination" {
		t.Errorf("got %q, %v, marked %q; want the spare's answer", body, err, resp.Header.Get(fallback.Header))
	}
	if first.asked.Load() != 1 || spare.asked.Load() != 1 {
		t.Errorf("asked %d and %d times, want once each", first.asked.Load(), spare.asked.Load())
	}
}

// rpc is a gRPC server that can be told to fail.
type rpc struct {
	testpb.UnimplementedTestServiceServer
	name string
	addr string
	down atomic.Bool
	hang chan struct{} // nil: it does not
}

func (s *rpc) UnaryCall(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if s.hang != nil {
		<-s.hang
	}
	if s.down.Load() {
		return nil, status.Error(codes.Unavailable, "down")
	}
	return &testpb.SimpleResponse{Username: s.name, Payload: r.GetPayload()}, nil
}

func (s *rpc) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	return nil, status.Error(codes.NotFound, "none")
}

func newRPC(t *testing.T, name string, opts ...grpc.ServerOption) *rpc {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rpc{name: name, addr: l.Addr().String()}
	g := grpc.NewServer(opts...)
	testpb.RegisterTestServiceServer(g, s)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return s
}

func dial(t *testing.T, src balance.Source, m enmesh.Middleware) testpb.TestServiceClient {
	t.Helper()
	route := &enmesh.Route{Name: "r", Resends: true, Idempotent: true, Next: m(enmesh.Send)}
	client := meshgrpc.NewClient(enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route { return route }), src)
	cc, err := grpc.NewClient("enmesh:///first", append(client.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return testpb.NewTestServiceClient(cc)
}

// own are credentials of one call.
type own struct{}

func (own) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "me"}, nil
}

func (own) RequireTransportSecurity() bool { return false }

func TestFallback_ofGRPC(t *testing.T) {
	first, spare := newRPC(t, "first"), newRPC(t, "spare")
	src := source(map[string]string{"first": first.addr, "spare": spare.addr})
	message, err := proto.Marshal(&testpb.SimpleResponse{Username: "made up"})
	if err != nil {
		t.Fatal(err)
	}
	static := fallback.Static{HasMessage: true, Message: string(message)}
	ask := func(ctx context.Context, c testpb.TestServiceClient, payload string) string {
		var head metadata.MD
		req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte(payload)}}
		resp, err := c.UnaryCall(ctx, req, grpc.Header(&head))
		if err != nil {
			return status.Code(err).String()
		}
		return strings.TrimSpace(resp.GetUsername() + " " + string(resp.GetPayload().GetBody()) + " " + strings.Join(head.Get(fallback.Header), ""))
	}
	t.Run("static", func(t *testing.T) {
		c := dial(t, src, mustNew(t, fallback.Config{Static: static}))
		first.down.Store(false)
		if got := ask(t.Context(), c, "a"); got != "first a" {
			t.Errorf("while all is well: %q", got)
		}
		first.down.Store(true)
		if got := ask(t.Context(), c, "a"); got != "made up  static" {
			t.Errorf("while it is down: %q, want the static message", got)
		}
		if _, err := c.EmptyCall(t.Context(), &testpb.Empty{}); status.Code(err) != codes.NotFound {
			t.Errorf("the caller's fault: %v, want NOT_FOUND", err)
		}
	})
	t.Run("garbage", func(t *testing.T) {
		first.down.Store(true)
		c := dial(t, src, mustNew(t, fallback.Config{Static: fallback.Static{HasMessage: true, Message: "\xff\xff"}}))
		if got := ask(t.Context(), c, "a"); got != "Internal" {
			t.Errorf("a message that does not fit: %q, want INTERNAL", got)
		}
	})
	t.Run("cache", func(t *testing.T) {
		c := dial(t, src, mustNew(t, fallback.Config{Cache: fallback.Cache{On: true}}))
		first.down.Store(false)
		ask(t.Context(), c, "a")
		first.down.Store(true)
		if got := ask(t.Context(), c, "a"); got != "first a cache" {
			t.Errorf("the same request: %q, want the last good answer", got)
		}
		req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("a")}}
		if _, err := c.UnaryCall(t.Context(), req, grpc.PerRPCCredentials(own{})); status.Code(err) != codes.Unavailable {
			t.Errorf("with credentials of its own: %v, want UNAVAILABLE", err)
		}
		if got := ask(metadata.AppendToOutgoingContext(t.Context(), "authorization", "me"), c, "a"); got != "Unavailable" {
			t.Errorf("with an authorization: %q, want UNAVAILABLE", got)
		}
		if got := ask(t.Context(), c, "b"); got != "Unavailable" {
			t.Errorf("another request: %q, want UNAVAILABLE", got)
		}
	})
	t.Run("destination", func(t *testing.T) {
		first.down.Store(true)
		c := dial(t, src, mustNew(t, fallback.Config{Destination: enmesh.Destination{Service: "spare"}}))
		if got := ask(t.Context(), c, "a"); got != "spare a destination" {
			t.Errorf("got %q, want the spare's", got)
		}
	})
	t.Run("function", func(t *testing.T) {
		first.down.Store(true)
		c := dial(t, src, mustNew(t, fallback.Config{}, fallback.Function(func(context.Context, *enmesh.Call, error) *enmesh.Reply {
			return &enmesh.Reply{Status: 200, Header: map[string][]string{"Content-Type": {enmesh.MessageType}}, Body: message}
		})))
		if got := ask(t.Context(), c, "a"); got != "made up  function" {
			t.Errorf("got %q, want the function's", got)
		}
	})
}
