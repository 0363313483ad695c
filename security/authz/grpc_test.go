// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	grpcauthz "google.golang.org/grpc/authz"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// metadataHeader is metadata as policies see it.
type metadataHeader metadata.MD

func (h metadataHeader) Get(key string) string {
	if v := h.Values(key); len(v) > 0 {
		return v[0]
	}
	return ""
}
func (h metadataHeader) Values(key string) []string { return h[strings.ToLower(key)] }
func (metadataHeader) Set(string, string)           {}
func (metadataHeader) Add(string, string)           {}
func (metadataHeader) Del(string)                   {}

// sdkRule is a rule of grpc's own policy language.
type sdkRule struct {
	Name    string     `json:"name"`
	Source  sdkSource  `json:"source"`
	Request sdkRequest `json:"request"`
}

type sdkSource struct {
	Principals []string `json:"principals,omitempty"`
}

type sdkRequest struct {
	Paths   []string    `json:"paths,omitempty"`
	Headers []sdkHeader `json:"headers,omitempty"`
}

type sdkHeader struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

type sdkPolicy struct {
	Name  string    `json:"name"`
	Deny  []sdkRule `json:"deny_rules,omitempty"`
	Allow []sdkRule `json:"allow_rules"`
}

// sdkValue is a principal as grpc compares it: with the scheme.
func sdkValue(principal string) string {
	if principal[0] == '*' {
		return principal
	}
	return "spiffe://" + principal
}

// pair is one policy in both languages.
type pair struct {
	ours   *authz.Engine
	theirs *grpcauthz.StaticInterceptor
	text   string
}

func (d dice) pair(t *testing.T) pair {
	t.Helper()
	sdk := sdkPolicy{Name: "p"}
	policies := []authz.Policy{{Name: "allow"}, {Name: "deny", Action: authz.Deny}}
	add := func(into *authz.Policy, rules *[]sdkRule, i int) {
		ours, theirs := d.both()
		theirs.Name = fmt.Sprintf("r%d", i)
		into.Rules, *rules = append(into.Rules, ours), append(*rules, theirs)
	}
	for i := range 1 + d.IntN(pick(d, 2, 2, 4, 15)) {
		add(&policies[0], &sdk.Allow, i)
	}
	for i := range d.IntN(3) {
		add(&policies[1], &sdk.Deny, i)
	}
	if len(sdk.Deny) == 0 {
		policies = policies[:1]
	}
	text, err := json.Marshal(sdk)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := grpcauthz.NewStatic(string(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return pair{engine(t, authz.Config{Policies: policies}), theirs, string(text)}
}

// both makes a rule in both languages.
func (d dice) both() (ours authz.Rule, theirs sdkRule) {
	if p := d.some(60, []string{"*", "td.example/ns/default/sa/web", "td.example/ns/default/*", "*/sa/web", "td.example/ns/prod/sa/api", "td.example/ns/default/sa/we*", "*web"}); p != nil {
		ours.From = []authz.Source{{Principals: p}}
		for _, one := range p {
			theirs.Source.Principals = append(theirs.Source.Principals, sdkValue(one))
		}
	}
	if p := d.some(70, []string{"*", "/pkg.Svc/Get", "/pkg.Svc/*", "*/Get", "/pkg*", "/pkg.Svc/Delete", "*t"}); p != nil {
		ours.To = []authz.Operation{{Paths: p}}
		theirs.Request.Paths = p
	}
	for range pick(d, 0, 0, 1, 2) {
		key := pick(d, "x-role", "x-team")
		values := []string{pick(d, "admin", "a*", "*n", "*", "user")}
		ours.When = append(ours.When, authz.Condition{Key: "request.headers[" + key + "]", Values: values})
		theirs.Request.Headers = append(theirs.Request.Headers, sdkHeader{key, values})
	}
	return ours, theirs
}

// stream is a stream of which only the context matters.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }

// compare decides by every pair over the call that ctx is of.
func compare(ctx context.Context, pairs []pair) (allowed int, err error) {
	md, _ := metadata.FromIncomingContext(ctx)
	from, _ := peer.FromContext(ctx)
	path, _ := grpc.Method(ctx)
	c := &enmesh.Call{Side: enmesh.Server, Protocol: enmesh.GRPC, Method: "POST", Path: path, Header: metadataHeader(md), Source: &enmesh.Peer{}}
	if info, ok := from.AuthInfo.(credentials.TLSInfo); ok {
		id, err := security.PeerID(&info.State)
		if err != nil {
			return 0, err
		}
		c.Source.TLS, c.Source.Identity = &info.State, id.String()
	}
	for _, p := range pairs {
		_, ours := p.ours.Admit(ctx, c)
		theirs := p.theirs.StreamInterceptor(nil, stream{ctx: ctx}, nil, func(any, grpc.ServerStream) error { return nil })
		if theirs != nil && status.Code(theirs) != codes.PermissionDenied {
			return 0, theirs
		}
		if (ours == nil) != (theirs == nil) {
			return 0, fmt.Errorf("%s by %q with %v: we allow %v, grpc %v: %s", path, c.Source.Identity, md, ours == nil, theirs == nil, p.text)
		}
		if ours == nil {
			allowed++
		}
	}
	return allowed, nil
}

// The engine decides as grpc-go's own, on real connections, wherever grpc's policies can
// say the same. They have principals, paths and headers, and no negation, port, address or host;
// what of grpc has these is internal to it, behind xDS. A field of several values is not
// compared, since it differs on purpose: grpc joins them with a comma and compares the whole, and
// here any of them is enough to deny and all are needed to allow. The oracle is compared on all
// of it.
func TestScenarioA15_grpc(t *testing.T) {
	policies, rounds := 400, 250
	if raceEnabled {
		rounds /= 10
	}
	d := dice{rand.New(rand.NewPCG(15, 6))}
	var pairs []pair
	for range policies {
		pairs = append(pairs, d.pair(t))
	}
	var allowed atomic.Int64
	handler := grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		n, err := compare(s.Context(), pairs)
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		allowed.Add(int64(n))
		return s.SendMsg(&emptypb.Empty{})
	})
	callers := []*grpc.ClientConn{dial(t, serve(t, grpc.NewServer(handler)), insecure.NewCredentials())}
	authority, err := ca.NewDevelopment("td.example", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	source := func(namespace, account string) security.Source {
		s, err := authority.Source(namespace, account)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	secure := serve(t, grpc.NewServer(handler, grpc.Creds(credentials.NewTLS(mtls.Server(source("default", "server"))))))
	for _, who := range [][2]string{{"default", "web"}, {"default", "web-evil"}, {"prod", "api"}} {
		callers = append(callers, dial(t, secure, credentials.NewTLS(mtls.Client(source(who[0], who[1]), security.InTrustDomain("td.example")))))
	}
	for range rounds {
		ctx := t.Context()
		for _, key := range []string{"x-role", "x-team"} {
			if d.IntN(3) > 0 {
				ctx = metadata.AppendToOutgoingContext(ctx, key, pick(d, "admin", "user", "a", "Admin", "adminx"))
			}
		}
		conn := pick(d, callers...)
		err := conn.Invoke(ctx, pick(d, "/pkg.Svc/Get", "/pkg.Svc/Delete", "/pkg.Svc/Gets", "/pkg.Svcx/Get", "/other/Get"), &emptypb.Empty{}, &emptypb.Empty{})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d pairs, %d allowed, 0 disagreements", policies*rounds, allowed.Load())
}

func serve(t *testing.T, s *grpc.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, addr string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
