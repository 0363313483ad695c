// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/extgrpc"
	"github.com/enmesh-go/enmesh/security/ca"
)

func TestChecker_asks(t *testing.T) {
	a, conn := says(t, allowed(nil), nil)
	k := mustNew(t, conn, extgrpc.Config{ContextExtensions: map[string]string{"mesh": "enmesh"}})
	c := call()
	c.Header = enmeshtest.Header{"X-Role": {"a", "b"}, "X-Bad": {"\xff\xfe"}, "X-Request-Id": {"7"}}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "not for you")
	if err := k.Check(ctx, c); err != nil {
		t.Fatal(err)
	}
	got, md := a.last()
	h := got.GetRequest().GetHttp()
	if h.GetMethod() != "GET" || h.GetPath() != "/a%20b?x=1" || h.GetHost() != "shop.example" || h.GetScheme() != "https" || h.GetId() != "7" {
		t.Errorf("asked about %v, want the call", h)
	}
	for name, want := range map[string]string{
		"x-role": "a,b", ":path": "/a%20b?x=1", ":method": "GET", ":authority": "shop.example", ":scheme": "https", "x-bad": "\uFFFD",
	} {
		if h.GetHeaders()[name] != want {
			t.Errorf("header %s: got %q, want %q", name, h.GetHeaders()[name], want)
		}
	}
	if s := got.GetSource(); s.GetPrincipal() != identity || s.GetAddress().GetSocketAddress().GetAddress() != "10.1.2.3" ||
		s.GetAddress().GetSocketAddress().GetPortValue() != 4567 || s.GetCertificate() != "" {
		t.Errorf("the source is %v, want the workload and its address", s)
	}
	if d := got.GetDestination(); d.GetService() != "shop" || d.GetAddress().GetSocketAddress().GetPortValue() != 8443 {
		t.Errorf("the destination is %v, want shop at 8443", d)
	}
	if got.GetContextExtensions()["mesh"] != "enmesh" || len(md.Get("authorization")) > 0 {
		t.Errorf("got the extensions %v and the metadata %v, want mesh and nothing of the caller", got.GetContextExtensions(), md)
	}
}

func TestChecker_sendsTheCertificate(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.Issue(security.MustParseID(identity))
	if err != nil {
		t.Fatal(err)
	}
	a, conn := says(t, allowed(nil), nil)
	k := mustNew(t, conn, extgrpc.Config{IncludePeerCertificate: true})
	c := call()
	c.Source.TLS = &tls.ConnectionState{ServerName: "shop.example", PeerCertificates: []*x509.Certificate{issued.Certificate().Leaf}}
	if err := k.Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	asked, _ := a.last()
	text, err := url.QueryUnescape(asked.GetSource().GetCertificate())
	block, _ := pem.Decode([]byte(text))
	if err != nil || block == nil || !bytes.Equal(block.Bytes, issued.Certificate().Leaf.Raw) || asked.GetTlsSession().GetSni() != "shop.example" {
		t.Errorf("got the certificate %q and the server name %q, want those of the connection", text, asked.GetTlsSession().GetSni())
	}
	c.Source.Identity = "" // what was not verified says nothing
	if err := k.Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if asked, _ := a.last(); asked.GetSource().GetCertificate() != "" {
		t.Error("a certificate that was not verified was sent")
	}
}

func TestChecker_sendsListedHeadersOnly(t *testing.T) {
	a, conn := says(t, allowed(nil), nil)
	k := mustNew(t, conn, extgrpc.Config{IncludeRequestHeadersInCheck: []string{"authorization", "x-*"}})
	c := call()
	c.Header = enmeshtest.Header{"Authorization": {"t"}, "X-A": {"1"}, "Cookie": {"s"}}
	if err := k.Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	asked, _ := a.last()
	if h := asked.GetRequest().GetHttp().GetHeaders(); h["authorization"] != "t" || h["x-a"] != "1" || h["cookie"] != "" || len(h) != 6 {
		t.Errorf("got the headers %v, want the two and HTTP/2's own four", h)
	}
}

func TestChecker_applies(t *testing.T) {
	actions := core.HeaderValueOption_HeaderAppendAction_value
	with := func(action, key, value string) *core.HeaderValueOption {
		o := option(key, value)
		o.AppendAction = core.HeaderValueOption_HeaderAppendAction(actions[action])
		return o
	}
	old := func(add bool, key, value string) *core.HeaderValueOption {
		o := option(key, value)
		o.Append = wrapperspb.Bool(add) //nolint:staticcheck // authorizers send it
		return o
	}
	ok := &auth.OkHttpResponse{
		Headers: []*core.HeaderValueOption{
			option("x-set", "new"), old(true, "x-add", "2"), old(false, "x-over", "new"),
			with("ADD_IF_ABSENT", "x-there", "new"), with("ADD_IF_ABSENT", "x-absent", "new"),
			with("OVERWRITE_IF_EXISTS", "x-there2", "new"), with("OVERWRITE_IF_EXISTS", "x-absent2", "new"),
			with("OVERWRITE_IF_EXISTS_OR_ADD", "x-there3", "new"),
			option(":path", "/admin"), option("host", "evil"), option("content-length", "0"), option("x-crlf", "a\r\nb"), option("", "x"),
		},
		HeadersToRemove:         []string{"x-gone", ":authority", "Host"},
		ResponseHeadersToAdd:    []*core.HeaderValueOption{option("x-seen", "1"), option("x-nul", "\x00")},
		QueryParametersToSet:    []*core.QueryParameter{{Key: "a b", Value: "c&d"}, {Key: "y", Value: "2"}},
		QueryParametersToRemove: []string{"x"},
	}
	_, conn := says(t, allowed(ok), nil)
	c := call()
	c.Query = "x=1&y=0&z=%zz&%78=3"
	c.Header = enmeshtest.Header{
		"X-Set": {"a", "b"}, "X-Add": {"1"}, "X-Over": {"a"}, "X-There": {"a"}, "X-There2": {"a"}, "X-There3": {"a"}, "X-Gone": {"a"}, "Host": {"shop"},
	}
	if err := mustNew(t, conn, extgrpc.Config{}).Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"X-Set": "new", "X-Add": "1|2", "X-Over": "new", "X-There": "a", "X-Absent": "new", "X-There2": "new", "X-Absent2": "",
		"X-There3": "new", "X-Gone": "", "Host": "shop", ":path": "", "Content-Length": "", "X-Crlf": "",
	} {
		if got := strings.Join(c.Header.Values(name), "|"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if c.Path != "/a b" || c.Query != "z=%zz&a+b=c%26d&y=2" {
		t.Errorf("got %q with %q, want the path as it was and the query changed", c.Path, c.Query)
	}
	if c.Answer.Header.Get("X-Seen") != "1" || c.Answer.Header.Get("X-Nul") != "" {
		t.Errorf("the answer has %v, want X-Seen alone", c.Answer.Header)
	}
}

// The authorizer's refusal is the caller's answer, through a real HTTP server.
func TestChecker_deniesHTTP(t *testing.T) {
	for _, tt := range []struct {
		answer *auth.CheckResponse
		status int
		body   string
	}{
		{denied(codes.PermissionDenied, 0, ""), 403, ""},
		{denied(codes.PermissionDenied, 401, "who?", "www-authenticate", "Basic", "set-cookie", "a=1", "set-cookie", "b=2"), 401, "who?"},
		{denied(codes.Unauthenticated, 0, "who?"), 401, "who?"},
		{denied(codes.Unavailable, 0, ""), 403, ""},
		{denied(codes.PermissionDenied, 302, "", "location", "https://login.example/"), 302, ""},
		{denied(codes.PermissionDenied, 200, "fine!"), 403, "fine!"},
		{denied(codes.PermissionDenied, 7000, "odd"), 403, "odd"},
		{denied(codes.OK, 403, "a denial that says OK"), 403, "a denial that says OK"},
		{&auth.CheckResponse{Status: &rpc.Status{Code: int32(codes.PermissionDenied)}}, 403, ""},
		{&auth.CheckResponse{Status: &rpc.Status{Code: int32(codes.PermissionDenied)}, HttpResponse: allowed(nil).GetHttpResponse()}, 403, ""},
		{denied(codes.PermissionDenied, 403, "x", "x-bad", "a\r\nb", "content-length", "999", ":status", "200"), 403, "x"},
	} {
		_, conn := says(t, tt.answer, nil)
		k, ran := mustNew(t, conn, extgrpc.Config{}), false
		server := httptest.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }),
			enmesh.Fixed(false, enmesh.Guard(engine(t, k)))))
		resp, body := get(t, server.URL)
		server.Close()
		if resp.StatusCode != tt.status || tt.body != "" && body != tt.body || ran {
			t.Errorf("%v: got %d %q, handler ran %t; want %d %q", tt.answer, resp.StatusCode, body, ran, tt.status, tt.body)
		}
		for _, h := range tt.answer.GetDeniedResponse().GetHeaders() {
			name := h.GetHeader().GetKey()
			bad := strings.HasPrefix(name, ":") || name == "content-length" || name == "x-bad"
			if got := resp.Header.Values(name); (len(got) == 0 || got[0] == "999") != bad && name != "content-length" {
				t.Errorf("%v: header %s: got %q", tt.answer, name, got)
			}
		}
		if k.Stats() != (extgrpc.Stats{Denied: 1}) {
			t.Errorf("%v: counted %+v, want one denied", tt.answer, k.Stats())
		}
	}
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// The same through a real gRPC server: the status becomes a code.
func TestChecker_gRPC(t *testing.T) {
	a, conn := says(t, nil, nil)
	a.answer = func(_ context.Context, r *auth.CheckRequest) (*auth.CheckResponse, error) {
		h := r.GetAttributes().GetRequest().GetHttp()
		switch {
		case h.GetPath() != "/grpc.health.v1.Health/Check" || h.GetMethod() != "POST":
			return nil, status.Error(codes.Internal, "asked about "+h.GetPath())
		case h.GetHeaders()["x-user"] == "":
			return denied(codes.Unauthenticated, 401, "who?", "www-authenticate", "Bearer"), nil
		case h.GetHeaders()["x-user"] != "ann":
			return denied(codes.PermissionDenied, 0, ""), nil
		}
		return allowed(&auth.OkHttpResponse{ResponseHeadersToAdd: []*core.HeaderValueOption{option("x-seen", "1")}}), nil
	}
	guard := enmesh.Guard(engine(t, mustNew(t, conn, extgrpc.Config{})))
	server := grpc.NewServer(meshgrpc.NewServer(enmesh.Fixed(false, guard)).Options()...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	client := healthpb.NewHealthClient(dial(t, l.Addr().String()))
	for user, want := range map[string]codes.Code{"": codes.Unauthenticated, "eve": codes.PermissionDenied, "ann": codes.OK} {
		ctx := t.Context()
		if user != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-user", user)
		}
		var header metadata.MD
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header))
		if status.Code(err) != want {
			t.Errorf("user %q: got %v, want %v", user, err, want)
		}
		if user == "ann" && len(header.Get("x-seen")) != 1 {
			t.Errorf("the answer has %v, want x-seen", header)
		}
	}
}

// recorder counts what it is told.
type recorder struct{ n int }

func (r *recorder) Record(_ *enmesh.Call, d enmesh.Decision) {
	if d == (enmesh.Decision{Policy: "extgrpc", Action: enmesh.ActionDegrade}) {
		r.n++
	}
}

type panics struct{ grpc.ClientConnInterface }

func (panics) Invoke(context.Context, string, any, any, ...grpc.CallOption) error { panic("boom") }

// Errors, timeouts, panics and answers that say nothing refuse the call, and are counted;
// only FailOpen lets them through.
func TestScenarioA9_authorizerFails(t *testing.T) {
	hangs := &authorizer{answer: func(ctx context.Context, _ *auth.CheckRequest) (*auth.CheckResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	answers := func(r *auth.CheckResponse, err error) grpc.ClientConnInterface {
		_, conn := says(t, r, err)
		return conn
	}
	for name, tt := range map[string]struct {
		conn    grpc.ClientConnInterface
		timeout time.Duration
	}{
		"an error":       {conn: answers(nil, status.Error(codes.Internal, "boom"))},
		"a denial's own": {conn: answers(nil, status.Error(codes.PermissionDenied, "you may not ask"))},
		"no word":        {conn: answers(&auth.CheckResponse{}, nil)},
		"error response": {conn: answers(&auth.CheckResponse{Status: &rpc.Status{}, HttpResponse: &auth.CheckResponse_ErrorResponse{ErrorResponse: &auth.DeniedHttpResponse{}}}, nil)},
		"a timeout":      {conn: start(t, hangs), timeout: 20 * time.Millisecond},
		"nobody there":   {conn: dial(t, "127.0.0.1:1")},
		"a panic":        {conn: panics{}},
	} {
		for _, open := range []bool{false, true} {
			var heard recorder
			k := mustNew(t, tt.conn, extgrpc.Config{FailOpen: open, Timeout: tt.timeout, Recorder: &heard})
			err := k.Check(t.Context(), call())
			if open && err != nil || !open && !errors.Is(err, extgrpc.ErrService) {
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
	k := mustNew(t, start(t, hangs), extgrpc.Config{FailOpen: true, Timeout: 10 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := k.Check(ctx, call()); !errors.Is(err, enmesh.ErrDeadline) {
		t.Errorf("out of time: got %v, want ErrDeadline", err)
	}
}

// The audit and the count of an Engine tell an authorizer that gives no answer from one that
// denies, whatever the caller is answered.
func TestChecker_failureIsTold(t *testing.T) {
	answering := func(r *auth.CheckResponse, err error) authz.Checker {
		_, conn := says(t, r, err)
		return mustNew(t, conn, extgrpc.Config{})
	}
	for name, tt := range map[string]struct {
		k      authz.Checker
		failed bool
	}{
		"no answer": {answering(nil, status.Error(codes.Unavailable, "boom")), true},
		"a denial":  {answering(denied(codes.PermissionDenied, 0, ""), nil), false},
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

// late is a connection whose far side is out of time at once.
type late struct{ panics }

func (late) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return status.Error(codes.DeadlineExceeded, "out of time")
}

// TestChecker_deadlineThatTheAuthorizerKeeps: the authorizer's timer is ahead of ours. Where
// it keeps the call's deadline the call is out of time, whatever is said of failures; where
// it keeps the question's own it has failed.
func TestChecker_deadlineThatTheAuthorizerKeeps(t *testing.T) {
	for name, tt := range map[string]struct {
		call, question time.Duration
		want           error
	}{
		"the call's":     {40 * time.Millisecond, 10 * time.Second, enmesh.ErrDeadline},
		"the question's": {40 * time.Millisecond, 30 * time.Millisecond, nil},
		"neither's":      {10 * time.Second, 20 * time.Second, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := mustNew(t, late{}, extgrpc.Config{FailOpen: true, Timeout: tt.question})
			ctx, cancel := context.WithTimeout(t.Context(), tt.call)
			defer cancel()
			if err := k.Check(ctx, call()); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
		})
	}
}

func TestNew_refuses(t *testing.T) {
	conn := dial(t, "127.0.0.1:1")
	for name, cfg := range map[string]extgrpc.Config{
		"Timeout": {Timeout: -1}, "Timeout.": {Timeout: time.Hour}, "StatusOnError": {StatusOnError: 200}, "StatusOnError.": {StatusOnError: 600},
		"IncludeRequestHeadersInCheck": {IncludeRequestHeadersInCheck: []string{"a b"}},
	} {
		field := strings.TrimRight(name, ".")
		if k, err := extgrpc.New(conn, cfg); err == nil || !strings.HasPrefix(err.Error(), "extgrpc: "+field) {
			t.Errorf("%s: got %v, %v, want a refusal that names it", name, k, err)
		}
	}
	if k, err := extgrpc.New(nil, extgrpc.Config{}); err == nil {
		t.Errorf("no connection: got %v, want a refusal", k)
	}
}

// A question and its answer over loopback.
func BenchmarkCheck(b *testing.B) {
	_, conn := says(b, allowed(nil), nil)
	k, c := mustNew(b, conn, extgrpc.Config{}), call()
	b.ReportAllocs()
	for b.Loop() {
		if err := k.Check(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
