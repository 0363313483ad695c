// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// heard is one call as a server of a street got it.
type heard struct {
	who, method, path, authority string
	header                       http.Header
	body                         string
}

// street is services over plaintext, each for HTTP and for gRPC, that tell what they
// hear: in the answer's header and to the test.
type street struct {
	t      *testing.T
	web    map[string][]discovery.Endpoint
	rpc    map[string][]discovery.Endpoint
	mu     sync.Mutex // guards calls
	calls  []heard
	status func(h heard) int        // of an answer over HTTP; nil: 200
	code   func(h heard) codes.Code // of an answer over gRPC; nil: OK
	stops  map[running]func()       // ends a server

	release chan struct{} // has one call to a path that begins with "/held" answered
}

// running is a server of a street.
type running struct {
	who      string
	protocol enmesh.Protocol
}

// newStreet starts three versions of each service.
func newStreet(t *testing.T, services ...string) *street {
	s := &street{t: t, web: map[string][]discovery.Endpoint{}, rpc: map[string][]discovery.Endpoint{}, release: make(chan struct{}), stops: map[running]func(){}}
	for _, service := range services {
		for _, version := range []string{"v1", "v2", "v3"} {
			who := service + " " + version
			info := discovery.Endpoint{Labels: map[string]string{"version": version}, Version: version}
			web, rpc := info, info
			web.Addrs, rpc.Addrs = []string{s.serveHTTP(who)}, []string{s.serveGRPC(who)}
			s.web[service], s.rpc[service] = append(s.web[service], web), append(s.rpc[service], rpc)
		}
	}
	return s
}

// hear notes a call, and holds it if it is to be held.
func (s *street) hear(h heard) {
	s.mu.Lock()
	s.calls = append(s.calls, h)
	s.mu.Unlock()
	if strings.HasPrefix(h.path, "/held") {
		select {
		case <-s.release:
		case <-s.t.Context().Done():
		}
	}
}

// take is the calls heard so far by those whose name begins with who; they are
// forgotten.
func (s *street) take(who string) []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []heard
	s.calls = slices.DeleteFunc(s.calls, func(h heard) bool {
		if strings.HasPrefix(h.who, who) {
			out = append(out, h)
			return true
		}
		return false
	})
	return out
}

func (s *street) serveHTTP(who string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := heard{who, r.Method, r.RequestURI, r.Host, r.Header, string(body)}
		s.hear(h)
		w.Header().Set("X-Origin", who)
		if s.status != nil {
			w.WriteHeader(s.status(h))
		}
		_, _ = fmt.Fprintf(w, "%s %s %s", who, r.RequestURI, r.Host)
	}))
	s.t.Cleanup(server.Close)
	s.stops[running{who, enmesh.HTTP}] = func() { server.CloseClientConnections(); server.Close() }
	return server.Listener.Addr().String()
}

func (s *street) serveGRPC(who string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
		var in wrapperspb.StringValue
		if err := ss.RecvMsg(&in); err != nil {
			return err
		}
		method, _ := grpc.Method(ss.Context())
		md, _ := metadata.FromIncomingContext(ss.Context())
		header := http.Header{}
		for k, vs := range md {
			header[http.CanonicalHeaderKey(k)] = vs
		}
		h := heard{who, "POST", method, strings.Join(md[":authority"], ","), header, in.GetValue()}
		s.hear(h)
		if err := ss.SetHeader(metadata.Pairs("x-origin", who)); err != nil {
			return err
		}
		if s.code != nil {
			if code := s.code(h); code != codes.OK {
				return status.Error(code, "as it was told")
			}
		}
		return ss.SendMsg(wrapperspb.String(h.who + " " + h.path + " " + h.authority))
	}))
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	s.t.Cleanup(func() { server.Stop(); <-done })
	s.stops[running{who, enmesh.GRPC}] = server.GracefulStop
	return l.Addr().String()
}

// open makes the mesh of a process under documents.
func (s *street) open(t *testing.T, endpoints map[string][]discovery.Endpoint, documents string, opts ...mesh.Option) *mesh.Mesh {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(documents), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := mesh.Open(t.Context(), append([]mesh.Option{
		mesh.WithWorkload(mesh.Workload{Service: "productpage", Labels: map[string]string{"app": "productpage"}}),
		mesh.WithResolver(discovery.NewStatic(endpoints)), mesh.WithPolicies(file),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// request is one call, over either protocol.
type request struct {
	method string // "": GET, and nothing in gRPC
	host   string // "": reviews
	target string // path and query, or "/package.Service/Method"
	header []string
	body   string
}

// overHTTP makes the call and gives "status body", or "status location", or the error;
// and the answer's header.
func (s *street) overHTTP(t *testing.T, m *mesh.Mesh, r request) (string, http.Header) {
	t.Helper()
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	t.Cleanup(func() { _ = transport.Close() })
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	host := r.host
	if host == "" {
		host = "reviews"
	}
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, "http://"+host+r.target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(r.header); i += 2 {
		req.Header.Add(r.header[i], r.header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return err.Error(), nil
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	if location := res.Header.Get("Location"); location != "" {
		text = []byte(location)
	}
	return fmt.Sprint(res.StatusCode, " ", string(text)), res.Header
}

// overGRPC makes the call, without its query, and gives "OK body" or "CODE text"; and the answer's header.
func (s *street) overGRPC(t *testing.T, m *mesh.Mesh, r request) (string, http.Header) {
	t.Helper()
	host := r.host
	if host == "" {
		host = "reviews"
	}
	cc, err := grpc.NewClient("enmesh:///"+host, meshgrpc.NewClient(m.Outbound(), m, meshgrpc.WithAnswerHeaders()).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() }) // not at once: copies of the call go by it too
	var md metadata.MD
	var out wrapperspb.StringValue
	ctx := context.Background()
	if len(r.header) > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, r.header...)
	}
	method, _, _ := strings.Cut(r.target, "?")
	err = cc.Invoke(ctx, method, wrapperspb.String(r.body), &out, grpc.Header(&md))
	header := http.Header{}
	for k, vs := range md {
		header[http.CanonicalHeaderKey(k)] = vs
	}
	if st := status.Convert(err); st.Code() != codes.OK {
		return st.Code().String() + " " + st.Message(), header
	}
	return "OK " + out.GetValue(), header
}
