// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

const (
	svc       = "grpc.testing.TestService"
	protected = "/" + svc + "/EmptyCall"
)

// notExact are ways to write the protected method's path that are not its path.
var notExact = []string{
	svc + "/EmptyCall", "/" + protected, "/" + svc + "//EmptyCall", protected + "/",
	"/grpc.testing.testservice/emptycall", "/GRPC.TESTING.TESTSERVICE/EMPTYCALL", "/" + svc + "/emptyCall",
	protected + "?x=1", protected + "#f", "/" + svc + "%2fEmptyCall", "/" + svc + "/%45mptyCall",
	"/." + protected, "/x/.." + protected, "/x" + protected, protected + " ", protected + "\t", protected + "\x00",
	"/" + svc + `\EmptyCall`, "/" + svc + "/", "/" + svc, "/", "", "*", "http://ratings" + protected,
	"/" + svc + "./EmptyCall", "/." + svc + "/EmptyCall", " " + protected, "/" + svc + "/EmptyCall;x", "/" + svc + ";x/EmptyCall",
	"/grpc.testing.TestServic\u0435/EmptyCall", "/" + svc + "/EmptyCall%00", "/" + svc + "/..", "/../" + svc + "/EmptyCall", "/" + svc + "/EmptyCall\r\nx: y",
}

// rules are the ways in which a policy may compare the protected path.
var rules = map[string]func(path string) bool{
	"exact":  func(p string) bool { return p == protected },
	"prefix": func(p string) bool { return strings.HasPrefix(p, "/"+svc+"/") },
	"all":    func(p string) bool { return p != "" },
	"short":  func(p string) bool { return strings.HasPrefix(p, "/grpc.") },
	"suffix": func(p string) bool { return strings.HasSuffix(p, "/EmptyCall") },
	"none":   func(string) bool { return false },
}

// exposed is a server that counts who was run.
type exposed struct {
	addr                      string
	policy, handlers, unknown atomic.Int64
	seen, got                 atomic.Pointer[string] // by the policy, and by the handler of unknown services
	server                    *meshgrpc.Server
}

// expose serves the protected method where deny does not match. With unknown there is a
// handler of unknown services; with overHTTP net/http serves the connections.
func expose(t *testing.T, deny func(string) bool, unknown, overHTTP bool, opts ...meshgrpc.ServerOption) *exposed {
	t.Helper()
	x := &exposed{}
	check := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			x.policy.Add(1)
			seen := c.Path
			x.seen.Store(&seen)
			if deny(c.Path) {
				return &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral}
			}
			return next(ctx, c)
		}
	}
	x.server = meshgrpc.NewServer(enmesh.Fixed(false, check), opts...)
	all := append(x.server.Options(), grpc.WaitForHandlers(true))
	if unknown {
		all = append(all, grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
			x.unknown.Add(1)
			path, _ := grpc.MethodFromServerStream(ss)
			x.got.Store(&path)
			return ss.SendMsg(&testpb.Empty{})
		}))
	}
	srv := grpc.NewServer(all...)
	testpb.RegisterTestServiceServer(srv, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		x.handlers.Add(1)
		return &testpb.SimpleResponse{}, nil
	}})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.addr = lis.Addr().String()
	done := make(chan struct{})
	if !overHTTP {
		go func() { defer close(done); _ = srv.Serve(lis) }()
		t.Cleanup(func() { srv.Stop(); <-done })
		return x
	}
	web := &http.Server{Handler: srv, Protocols: new(http.Protocols), ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	web.Protocols.SetUnencryptedHTTP2(true)
	go func() { defer close(done); _ = web.Serve(lis) }()
	t.Cleanup(func() { _ = web.Close(); <-done; srv.Stop() })
	return x
}

// Only the exact path runs a handler, whatever rule protects it and whoever takes what has
// no handler.
func TestScenarioA3_onlyTheExactPathRuns(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		for rule, deny := range rules {
			x := expose(t, deny, unknown, false)
			for _, path := range notExact {
				if a := rawCall(t, x.addr, head(path)); a.code == "0" || len(a.body) > 0 {
					t.Errorf("%s, unknown %v: %q: %+v", rule, unknown, path, a)
				}
			}
			if p, h, u := x.policy.Load(), x.handlers.Load(), x.unknown.Load(); p != 0 || h != 0 || u != 0 {
				t.Errorf("%s, unknown %v: the policy ran %d times, the handler %d, that of unknown services %d; want none", rule, unknown, p, h, u)
			}
			a := rawCall(t, x.addr, head(protected))
			want := map[bool]int64{true: 0, false: 1}[deny(protected)]
			if got := x.handlers.Load(); got != want || (a.code == "0") != (want == 1) {
				t.Errorf("%s: the exact path ran its handler %d times (%+v), want %d", rule, got, a, want)
			}
		}
	}
}

// Where net/http serves the connections, grpc takes the path that net/http has decoded: it
// is the one that the policy compares.
func TestScenarioA3_overNetHTTP(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		for rule, deny := range rules {
			x := expose(t, deny, unknown, true)
			for _, path := range notExact {
				before := x.policy.Load()
				a := rawCall(t, x.addr, head(path))
				ran := x.policy.Load() != before
				if ran && *x.seen.Load() != protected || a.code == "0" && !ran || a.code == "0" && deny(protected) {
					t.Errorf("%s, unknown %v: %q: %+v; the policy saw %v", rule, unknown, path, a, ran)
				}
			}
			if h, u := x.handlers.Load(), x.unknown.Load(); deny(protected) && h != 0 || u != 0 {
				t.Errorf("%s, unknown %v: the handler ran %d times, that of unknown services %d", rule, unknown, h, u)
			}
		}
	}
}

// A handler of unknown services gets the well-formed paths of methods that nobody has
// registered, and the policy sees them as it does.
func TestScenarioA3_unknownServicesAreSeenAsTheyAre(t *testing.T) {
	x := expose(t, rules["none"], true, false)
	for _, path := range []string{"/shop.Cart/Add", "/" + svc + "/Unheard", "/a/b", "/_a.b1/C_d"} {
		before := x.unknown.Load()
		if a := rawCall(t, x.addr, head(path)); a.code != "0" || x.unknown.Load() != before+1 || *x.seen.Load() != path || *x.got.Load() != path {
			t.Errorf("%q: %+v, the policy saw %v, the handler %v", path, a, x.seen.Load(), x.got.Load())
		}
	}
	if n := x.server.Refused(); n != 0 {
		t.Errorf("%d refused", n)
	}
	for i, path := range []string{"//shop.Cart/Add", "/x/shop.Cart/Add", "/shop.Cart/1dd", "/shop..Cart/Add", "/grpc.testing.TESTService/EmptyCall"} {
		if a := rawCall(t, x.addr, head(path)); a.code != "12" || x.server.Refused() != uint64(i+1) {
			t.Errorf("%q: %+v, %d refused", path, a, x.server.Refused())
		}
	}
}

// What HTTP/2 lets a caller say besides the path.
func TestScenarioA3_otherFields(t *testing.T) {
	without := func(name string) (fields []field) {
		for _, f := range head(protected) {
			if f.Name != name {
				fields = append(fields, f)
			}
		}
		return fields
	}
	replaced := func(name, value string) []field {
		fields := head(protected)
		for i := range fields {
			if fields[i].Name == name {
				fields[i].Value = value
			}
		}
		return fields
	}
	for name, fields := range map[string][]field{
		"no authority, no host":   without(":authority"),
		"two paths":               append([]field{{Name: ":path", Value: "/shop.Cart/Add"}}, head(protected)...),
		"two authorities":         append([]field{{Name: ":authority", Value: "other"}}, head(protected)...),
		"GET":                     replaced(":method", "GET"),
		"lower case method":       replaced(":method", "post"),
		"JSON":                    replaced("content-type", "application/json"),
		"user info":               replaced(":authority", "ratings@other"),
		"a list of authorities":   replaced(":authority", "ratings,other"),
		"upper case name":         head(protected, field{Name: "X-Role", Value: "user"}),
		"connection":              head(protected, field{Name: "connection", Value: "x-role"}),
		"pseudo-header behind":    append(without(":path"), field{Name: ":path", Value: protected}),
		"NUL in a value":          head(protected, field{Name: "x-role", Value: "us\x00er"}),
		"CRLF in a value":         head(protected, field{Name: "x-role", Value: "user\r\nx-role: admin"}),
		"negative timeout":        head(protected, field{Name: "grpc-timeout", Value: "-1S"}),
		"timeout of nine digits":  head(protected, field{Name: "grpc-timeout", Value: "999999999S"}),
		"base64 that is not":      head(protected, field{Name: "x-role-bin", Value: "%%%"}),
		"unknown pseudo-header":   append([]field{{Name: ":role", Value: "admin"}}, head(protected)...),
		"space behind a name":     head(protected, field{Name: "x-role ", Value: "admin"}),
		"white space in the host": replaced(":authority", "ratings other"),
	} {
		x := expose(t, rules["none"], true, false)
		if a := rawCall(t, x.addr, fields); a.code == "0" || x.handlers.Load() != 0 || x.unknown.Load() != 0 {
			t.Errorf("%s: %+v, ran %d times, unknown %d", name, a, x.handlers.Load(), x.unknown.Load())
		}
		if a := rawCall(t, x.addr, head(protected)); a.code != "0" {
			t.Errorf("after %s: %+v", name, a)
		}
	}
}

// CVE-2026-33186: a path without its first slash reached the handler and missed the rules
// that were written with one.
func TestCVE_2026_33186_pathWithoutSlash(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		x := expose(t, rules["exact"], unknown, false)
		for _, path := range []string{svc + "/EmptyCall", "", "/", "/" + protected, "EmptyCall"} {
			if a := rawCall(t, x.addr, head(path)); a.code == "0" || x.handlers.Load() != 0 || x.unknown.Load() != 0 || x.policy.Load() != 0 {
				t.Errorf("%q: %+v, ran %d times", path, a, x.handlers.Load())
			}
		}
	}
}

// GO-2026-6443: a call with neither :authority nor host crashed the server.
func TestGO_2026_6443_missingAuthority(t *testing.T) {
	for _, overHTTP := range []bool{false, true} {
		x := expose(t, rules["none"], true, overHTTP)
		fields := head(protected)
		if a := rawCall(t, x.addr, append(fields[:3:3], fields[4:]...)); !overHTTP && (a.code == "0" || x.handlers.Load() != 0) {
			t.Errorf("HTTP %v: %+v, ran %d times", overHTTP, a, x.handlers.Load())
		}
		if a := rawCall(t, x.addr, head(protected)); a.code != "0" {
			t.Errorf("HTTP %v: afterwards: %+v", overHTTP, a)
		}
	}
}

// CVE-2021-39155: a host in other letters missed the rules that named it.
func TestCVE_2021_39155_hostCase(t *testing.T) {
	for sent, want := range map[string]string{
		"ratings": "ratings", "RATINGS": "ratings", "Ratings.:80": "ratings:80", "unix%3A%2Fsock": "unix%3A%2Fsock",
	} {
		var policy, handler atomic.Pointer[string]
		srv := meshgrpc.NewServer(enmesh.Fixed(false, func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error {
				seen := c.Authority
				policy.Store(&seen)
				return next(ctx, c)
			}
		}))
		addr := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			handler.Store(&md[":authority"][0])
			return &testpb.SimpleResponse{}, nil
		}}, srv.Options()...)
		fields := head(protected)
		fields[3].Value = sent
		if a := rawCall(t, addr, fields); a.code != "0" || *policy.Load() != want || *handler.Load() != want {
			t.Errorf("%q: %+v, policy %v, handler %v; want %q", sent, a, policy.Load(), handler.Load(), want)
		}
	}
}
