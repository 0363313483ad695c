// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/xds"
)

func header(name, value string) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
		MatchPattern: &matcherv3.StringMatcher_Exact{Exact: value},
	}}}
}

func routed(headers ...*routev3.HeaderMatcher) *routev3.RouteConfiguration {
	return &routev3.RouteConfiguration{Name: "reviews", VirtualHosts: []*routev3.VirtualHost{{
		Name: "v", Domains: []string{"*"}, Routes: []*routev3.Route{{Match: &routev3.RouteMatch{Headers: headers}}},
	}}}
}

func TestRedact(t *testing.T) {
	present := &routev3.HeaderMatcher{Name: "authorization", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}}
	rule := func(value string) *rbacv3.RBAC {
		return &rbacv3.RBAC{Policies: map[string]*rbacv3.Policy{"p": {
			Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Header{Header: header("x-api-key", value)}}},
		}}}
	}
	certificate := func(key string) *tlsv3.TlsCertificate {
		c := &tlsv3.TlsCertificate{CertificateChain: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "public"}}}
		if key != "" {
			c.PrivateKey = &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: key}}
		}
		return c
	}
	typed := func(m proto.Message) *routev3.RouteConfiguration {
		return &routev3.RouteConfiguration{TypedPerFilterConfig: map[string]*anypb.Any{"f": packed(m)}}
	}
	for _, c := range []struct {
		name      string
		in, wants proto.Message
	}{
		{"a token in a match", routed(header("Authorization", "Bearer s3cret"), header("x-user", "jason")), routed(header("Authorization", "[redacted]"), header("x-user", "jason"))},
		{"in a map", rule("s3cret"), rule("[redacted]")},
		{"packed, in a map", typed(rule("s3cret")), typed(rule("[redacted]"))},
		{"a field that is marked", certificate("s3cret"), certificate("")},
		{"nothing", routed(header("x-user", "jason"), present), routed(header("x-user", "jason"), present)},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := packed(c.in)
			before := proto.Clone(in)
			out := xds.Redact(in)
			got, err := out.UnmarshalNew()
			if err != nil || !proto.Equal(got, c.wants) {
				t.Errorf("got %v, %v, want %v", got, err, c.wants)
			}
			if !proto.Equal(in, before) {
				t.Error("what was given is changed")
			}
			if same := out == in; same != proto.Equal(c.in, c.wants) {
				t.Errorf("it is given back as it is: %v", same)
			}
		})
	}
	if got := xds.Redact(&anypb.Any{TypeUrl: "type.googleapis.com/unheard.Of", Value: []byte("s3cret")}); len(got.GetValue()) != 0 || got.GetTypeUrl() == "" {
		t.Errorf("what cannot be read: got %v, want its type only", got)
	}
	if got := xds.Redact(nil); got != nil {
		t.Errorf("of nothing: got %v", got)
	}
}

// TestCSDS_redacts: what the dump has of two clients is without secrets, and the clients have all.
func TestCSDS_redacts(t *testing.T) {
	cat := newScript()
	cat.set(xds.Resource{Kind: xds.Route, Name: "reviews", Version: "1", Body: packed(routed(header("authorization", "Bearer s3cret")))})
	want := packed(routed(header("authorization", "[redacted]")))
	s, addr := serve(t, xds.Config{Catalog: cat})
	for _, n := range []string{"one", "two"} {
		r := dial(t, addr, n)
		r.ask(xds.Route, "reviews")
		r.ack(r.next(), "reviews")
		eventually(t, "accepted", func() bool { return statusOf(s, n, xds.Route, "reviews").State == xds.Accepted })
	}
	m, err := statusv3.NewClientStatusDiscoveryServiceClient(dialed(t, addr)).FetchClientStatus(context.Background(), &statusv3.ClientStatusRequest{})
	if err != nil || len(m.GetConfig()) != 2 {
		t.Fatalf("got %v, %v, want two clients", m, err)
	}
	for _, one := range m.GetConfig() {
		if g := one.GetGenericXdsConfigs(); len(g) != 1 || !proto.Equal(g[0].GetXdsConfig(), want) {
			t.Errorf("got %v, want %v", g, want)
		}
	}
}
