// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/rls"
)

// header is a map as an enmesh.Header.
type header map[string][]string

func (h header) Get(key string) string      { return http.Header(h).Get(key) }
func (h header) Values(key string) []string { return http.Header(h).Values(key) }
func (h header) Set(key, value string)      { http.Header(h).Set(key, value) }
func (h header) Add(key, value string)      { http.Header(h).Add(key, value) }
func (h header) Del(key string)             { http.Header(h).Del(key) }

func must(t testing.TB, m rls.Matcher, err error) rls.Matcher {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func regex(t testing.TB, name, expression string) rls.Matcher {
	t.Helper()
	m, err := rls.Regex(name, expression)
	return must(t, m, err)
}

func TestAction_entries(t *testing.T) {
	call := &enmesh.Call{
		Destination: enmesh.Destination{Service: "reviews"},
		Method:      "GET", Path: "/a b", Query: "q=1%2B2&q=3&empty&bad=%zz&%71x=y", Scheme: "https", Authority: "shop:80",
		Header: header{"User": {"ann", "bob"}, "Empty": {""}},
		Source: &enmesh.Peer{Addr: netip.MustParseAddrPort("[::ffff:10.1.2.3]:4567")},
	}
	six := &enmesh.Call{Source: &enmesh.Peer{Addr: netip.MustParseAddrPort("[2001:db8:1:2::3%eth0]:1")}}
	nobody := &enmesh.Call{}
	match := func(m rls.Matcher) rls.Action { return rls.HeaderValueMatch{Value: "v", Headers: []rls.Matcher{m}} }
	yes, no := rls.Entry{Key: "header_match", Value: "v"}, rls.Drop
	tests := []struct {
		name   string
		action rls.Action
		call   *enmesh.Call
		want   rls.Entry
		effect rls.Effect
	}{
		{"generic key", rls.GenericKey{Value: "v"}, call, rls.Entry{Key: "generic_key", Value: "v"}, rls.Add},
		{"generic key, named", rls.GenericKey{Key: "k", Value: "v"}, call, rls.Entry{Key: "k", Value: "v"}, rls.Add},
		{"header", rls.RequestHeader{Name: "user", Key: "k"}, call, rls.Entry{Key: "k", Value: "ann"}, rls.Add},
		{"empty header", rls.RequestHeader{Name: "empty", Key: "k"}, call, rls.Entry{Key: "k"}, rls.Add},
		{"no header", rls.RequestHeader{Name: "none", Key: "k"}, call, rls.Entry{}, rls.Drop},
		{"no header, skipped", rls.RequestHeader{Name: "none", Key: "k", SkipIfAbsent: true}, call, rls.Entry{}, rls.Skip},
		{"no headers at all", rls.RequestHeader{Name: "none", Key: "k"}, nobody, rls.Entry{}, rls.Drop},
		{":method", rls.RequestHeader{Name: ":method", Key: "k"}, call, rls.Entry{Key: "k", Value: "GET"}, rls.Add},
		{":path", rls.RequestHeader{Name: ":path", Key: "k"}, call, rls.Entry{Key: "k", Value: "/a b?" + call.Query}, rls.Add},
		{":authority", rls.RequestHeader{Name: ":authority", Key: "k"}, call, rls.Entry{Key: "k", Value: "shop:80"}, rls.Add},
		{":scheme", rls.RequestHeader{Name: ":scheme", Key: "k"}, call, rls.Entry{Key: "k", Value: "https"}, rls.Add},
		{"query", rls.QueryParameter{Name: "q", Key: "k"}, call, rls.Entry{Key: "k", Value: "1+2"}, rls.Add},
		{"query, name escaped", rls.QueryParameter{Name: "qx", Key: "k"}, call, rls.Entry{Key: "k", Value: "y"}, rls.Add},
		{"query, no value", rls.QueryParameter{Name: "empty", Key: "k"}, call, rls.Entry{Key: "k"}, rls.Add},
		{"query, unreadable", rls.QueryParameter{Name: "bad", Key: "k"}, call, rls.Entry{}, rls.Drop},
		{"query, skipped", rls.QueryParameter{Name: "none", Key: "k", SkipIfAbsent: true}, call, rls.Entry{}, rls.Skip},
		{"address", rls.RemoteAddress{}, call, rls.Entry{Key: "remote_address", Value: "10.1.2.3"}, rls.Add},
		{"v6 address", rls.RemoteAddress{}, six, rls.Entry{Key: "remote_address", Value: "2001:db8:1:2::3"}, rls.Add},
		{"no address", rls.RemoteAddress{}, nobody, rls.Entry{}, rls.Drop},
		{"network", rls.MaskedRemoteAddress{V4: 16}, call, rls.Entry{Key: "masked_remote_address", Value: "10.1.0.0/16"}, rls.Add},
		{"whole network", rls.MaskedRemoteAddress{}, call, rls.Entry{Key: "masked_remote_address", Value: "10.1.2.3/32"}, rls.Add},
		{"v6 network", rls.MaskedRemoteAddress{V6: 48}, six, rls.Entry{Key: "masked_remote_address", Value: "2001:db8:1::/48"}, rls.Add},
		{"no network", rls.MaskedRemoteAddress{}, nobody, rls.Entry{}, rls.Drop},
		{"destination", rls.DestinationCluster{}, call, rls.Entry{Key: "destination_cluster", Value: "reviews"}, rls.Add},
		{"no destination", rls.DestinationCluster{}, nobody, rls.Entry{}, rls.Drop},
		{"source", rls.SourceCluster{Service: "web"}, call, rls.Entry{Key: "source_cluster", Value: "web"}, rls.Add},
		{"exact", match(rls.Matcher{Name: "user", Exact: "ann"}), call, yes, rls.Add},
		{"not exact", match(rls.Matcher{Name: "user", Exact: "an"}), call, yes, no},
		{"prefix", match(rls.Matcher{Name: "user", Prefix: "an"}), call, yes, rls.Add},
		{"suffix", match(rls.Matcher{Name: "user", Suffix: "nn"}), call, yes, rls.Add},
		{"contains", match(rls.Matcher{Name: "user", Contains: "x"}), call, yes, no},
		{"regex", match(regex(t, "user", "a|ann")), call, yes, rls.Add},
		{"regex of a part", match(regex(t, "user", "an")), call, yes, no},
		{"present", match(rls.Matcher{Name: "empty"}), call, yes, rls.Add},
		{"absent", match(rls.Matcher{Name: "none"}), call, yes, no},
		{"absent, inverted", match(rls.Matcher{Name: "none", Exact: "x", Invert: true}), call, yes, rls.Add},
		{"unless", rls.HeaderValueMatch{Value: "v", Unless: true, Headers: []rls.Matcher{{Name: "none"}}}, call, yes, rls.Add},
		{
			"query match", rls.QueryParameterValueMatch{Value: "v", Parameters: []rls.Matcher{{Name: "q", Exact: "1+2"}}},
			call, rls.Entry{Key: "query_match", Value: "v"}, rls.Add,
		},
		{
			"query match of both", rls.QueryParameterValueMatch{Value: "v", Parameters: []rls.Matcher{{Name: "q"}, {Name: "none"}}},
			call, rls.Entry{}, rls.Drop,
		},
	}
	for _, tt := range tests {
		got, effect := tt.action.Entry(tt.call)
		if effect != tt.effect || effect == rls.Add && got != tt.want {
			t.Errorf("%s: got %+v, %v; want %+v, %v", tt.name, got, effect, tt.want, tt.effect)
		}
	}
}

func TestNew_refusesNonsense(t *testing.T) {
	conn, _ := serve(t, nil)
	fine := rls.Descriptor{rls.GenericKey{Value: "v"}}
	for _, tt := range []struct {
		want string
		cfg  rls.Config
		d    rls.Descriptor
	}{
		{"Domain", rls.Config{}, fine},
		{"Timeout -1ns", rls.Config{Domain: "d", Timeout: -1}, fine},
		{"Timeout 1h", rls.Config{Domain: "d", Timeout: 3600e9}, fine},
		{"Status 200", rls.Config{Domain: "d", Status: 200}, fine},
		{"StatusOnError 600", rls.Config{Domain: "d", StatusOnError: 600}, fine},
		{"descriptor 0", rls.Config{Domain: "d"}, nil},
		{"action 0", rls.Config{Domain: "d"}, rls.Descriptor{nil}},
		{"GenericKey", rls.Config{Domain: "d"}, rls.Descriptor{rls.GenericKey{}}},
		{"RequestHeader", rls.Config{Domain: "d"}, rls.Descriptor{rls.RequestHeader{Name: "n"}}},
		{"QueryParameter", rls.Config{Domain: "d"}, rls.Descriptor{rls.QueryParameter{Key: "n"}}},
		{"MaskedRemoteAddress", rls.Config{Domain: "d"}, rls.Descriptor{rls.MaskedRemoteAddress{V4: 33}}},
		{"SourceCluster", rls.Config{Domain: "d"}, rls.Descriptor{rls.SourceCluster{}}},
		{"HeaderValueMatch", rls.Config{Domain: "d"}, rls.Descriptor{rls.HeaderValueMatch{Value: "v"}}},
		{"QueryParameterValueMatch", rls.Config{Domain: "d"}, rls.Descriptor{rls.QueryParameterValueMatch{}}},
		{"Name", rls.Config{Domain: "d"}, rls.Descriptor{rls.HeaderValueMatch{Value: "v", Headers: []rls.Matcher{{}}}}},
		{"more than one", rls.Config{Domain: "d"}, rls.Descriptor{rls.HeaderValueMatch{Value: "v", Headers: []rls.Matcher{{Name: "n", Exact: "a", Prefix: "a"}}}}},
	} {
		if _, err := rls.New(conn, tt.cfg, tt.d); err == nil || !strings.HasPrefix(err.Error(), "rls: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got the error %v, want one that names it", tt.want, err)
		}
	}
	if _, err := rls.New(conn, rls.Config{Domain: "d"}); err == nil {
		t.Error("New without descriptors succeeds, want an error")
	}
	if _, err := rls.New(nil, rls.Config{Domain: "d"}, fine); err == nil {
		t.Error("New without a connection succeeds, want an error")
	}
	for _, expression := range []string{"(", ")(", "a)|(b"} {
		if _, err := rls.Regex("n", expression); err == nil {
			t.Errorf("Regex(%q) succeeds, want an error", expression)
		}
	}
}
