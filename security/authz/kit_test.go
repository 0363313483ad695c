// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// request is a call, as a test writes it down.
type request struct {
	grpc      bool
	method    string // "GET" if ""
	path      string // "/" if ""
	host      string
	https     bool
	identity  string // "" is plaintext, without a peer certificate
	from      string // "10.1.2.3:5000" if ""; "-": not known
	at        string // "10.9.9.9:8080" if ""; "-": not known
	sni       string
	header    http.Header
	auth      *enmesh.Auth
	anonymous bool // nothing is known of the caller
}

func (r request) call() *enmesh.Call {
	c := &enmesh.Call{Side: enmesh.Server, Method: r.method, Path: r.path, Authority: r.host, Scheme: "http", Header: fields(r.header)}
	if r.grpc {
		c.Protocol, c.Method = enmesh.GRPC, "POST"
	}
	if c.Method == "" {
		c.Method = "GET"
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if r.https {
		c.Scheme = "https"
	}
	if r.auth != nil {
		c.SetAuth(r.auth)
	}
	if r.anonymous {
		return c
	}
	c.Source = &enmesh.Peer{Identity: r.identity, Addr: addr(r.from, "10.1.2.3:5000"), Local: addr(r.at, "10.9.9.9:8080")}
	if r.identity != "" || r.sni != "" {
		c.Source.TLS = &tls.ConnectionState{ServerName: r.sni}
	}
	return c
}

func addr(s, otherwise string) netip.AddrPort {
	switch s {
	case "-":
		return netip.AddrPort{}
	case "":
		s = otherwise
	}
	return netip.MustParseAddrPort(s)
}

// fields is a header as adapters give it.
type fields http.Header

func (f fields) Get(key string) string      { return http.Header(f).Get(key) }
func (f fields) Values(key string) []string { return http.Header(f).Values(key) }
func (f fields) Set(key, value string)      { http.Header(f).Set(key, value) }
func (f fields) Add(key, value string)      { http.Header(f).Add(key, value) }
func (f fields) Del(key string)             { http.Header(f).Del(key) }

const (
	web     = "spiffe://cluster.local/ns/default/sa/web"
	webEvil = "spiffe://cluster.local/ns/default/sa/web-evil"
)

func lines(name string, values ...string) http.Header {
	h := http.Header{}
	for _, v := range values {
		h.Add(name, v)
	}
	return h
}

// engine makes an Engine, or fails.
func engine(t testing.TB, cfg authz.Config) *authz.Engine {
	t.Helper()
	e, err := authz.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// of is an engine of one policy with one rule.
func of(t testing.TB, action authz.Action, rule authz.Rule) *authz.Engine {
	t.Helper()
	return engine(t, authz.Config{Policies: []authz.Policy{{Name: "p", Namespace: "default", Action: action, Rules: []authz.Rule{rule}}}})
}

func allows(e *authz.Engine, r request) bool {
	_, err := e.Admit(context.Background(), r.call())
	return err == nil
}

// matched reports whether a rule matches a request as a rule of Allow and as one of Deny.
// It tries the rule alone and among so many others that rules are found by an index.
func matched(t testing.TB, rule authz.Rule, r request) (narrow, wide bool) {
	t.Helper()
	narrow, wide = allows(of(t, authz.Allow, rule), r), !allows(of(t, authz.Deny, rule), r)
	if n, w := allows(among(t, authz.Allow, rule), r), !allows(among(t, authz.Deny, rule), r); n != narrow || w != wide {
		t.Errorf("alone, {allow deny} is %v %v, and %v %v among other rules", narrow, wide, n, w)
	}
	return narrow, wide
}

// among is of, with twenty rules beside that match nothing that tests ask for.
func among(t testing.TB, action authz.Action, rule authz.Rule) *authz.Engine {
	t.Helper()
	rules := []authz.Rule{rule}
	for i := range 20 {
		rules = append(rules, authz.Rule{
			From: []authz.Source{{Principals: []string{fmt.Sprintf("filler.example/%d", i)}}},
			To:   []authz.Operation{{Paths: []string{fmt.Sprintf("/filler/%d", i)}, Methods: []string{"FILL"}}},
			When: []authz.Condition{{Key: "request.headers[x-filler]", Values: []string{"x"}}},
		})
	}
	return engine(t, authz.Config{Policies: []authz.Policy{{Name: "p", Namespace: "default", Action: action, Rules: rules}}})
}

func from(s authz.Source) authz.Rule  { return authz.Rule{From: []authz.Source{s}} }
func to(o authz.Operation) authz.Rule { return authz.Rule{To: []authz.Operation{o}} }
func when(key string, values ...string) authz.Rule {
	return authz.Rule{When: []authz.Condition{{Key: key, Values: values}}}
}
func unless(key string, values ...string) authz.Rule {
	return authz.Rule{When: []authz.Condition{{Key: key, NotValues: values}}}
}
