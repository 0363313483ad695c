// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// tryRule is what a rule does in both actions; ok is false when it is refused.
func tryRule(rule authz.Rule, r request) (allow, deny, ok bool) {
	decide := func(action authz.Action) bool {
		e, err := authz.New(authz.Config{Policies: []authz.Policy{{Name: "p", Namespace: "default", Action: action, Rules: []authz.Rule{rule}}}})
		if err != nil {
			ok = false
			return false
		}
		return allows(e, r)
	}
	ok = true
	allow = decide(authz.Allow)
	deny = !decide(authz.Deny)
	return allow, deny, ok
}

// regular reports whether regular expressions, which are of characters, can say the texts.
func regular(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) })
}

// The algebra of a header's values: patterns and lines are separated by line feeds.
func FuzzHeader(f *testing.F) {
	f.Add("admin", "user\nadmin")
	f.Fuzz(func(t *testing.T, patterns, values string) {
		given := strings.Split(patterns, "\n")
		said := strings.Split(values, "\n")
		if len(given) > 8 || len(said) > 8 || strings.Count(values, ",") > 100 || strings.Contains(values, "\x00") || !regular(patterns, values) {
			return
		}
		r := request{header: http.Header{"X-Role": said}}
		allow, deny, ok := tryRule(role(given...), r)
		if !ok {
			return
		}
		if want := headerBelief("x-role", given, r); allow != want.every || deny != want.some {
			t.Fatalf("%q against %q: ALLOW matches %v, DENY matches %v, want %v and %v", given, said, allow, deny, want.every, want.some)
		}
		if allow && !deny {
			t.Fatalf("%q against %q: ALLOW matches and DENY does not", given, said)
		}
		notAllow, notDeny, _ := tryRule(unless("request.headers[x-role]", given...), r)
		if notAllow == deny || notDeny == allow {
			t.Fatalf("%q against %q: notValues is not the contrary", given, said)
		}
		slices.Reverse(said)
		if again, _, _ := tryRule(role(given...), r); again != allow {
			t.Fatalf("%q against %q: the order of lines opens", given, said)
		}
		for _, line := range said { // one line less opens no DENY, one line more opens no ALLOW
			less := request{header: http.Header{"X-Role": {line}}}
			lessAllow, lessDeny, _ := tryRule(role(given...), less)
			if lessDeny && !deny || allow && !lessAllow {
				t.Fatalf("%q against %q: more lines open what %q does not", given, said, line)
			}
		}
	})
}

// CIDR ranges against a comparison of bits.
func FuzzBlocks(f *testing.F) {
	f.Add("10.0.0.0/8", "10.1.2.3")
	f.Fuzz(func(t *testing.T, block, address string) {
		if _, err := netip.ParseAddr(address); err != nil {
			return
		}
		at := netip.AddrPortFrom(netip.MustParseAddr(address), 80)
		c := request{}.call()
		c.Source = &enmesh.Peer{Addr: at}
		rule := from(authz.Source{IPBlocks: []string{block}})
		e, err := authz.New(authz.Config{Policies: []authz.Policy{{Name: "p", Rules: []authz.Rule{rule}}}})
		if err != nil {
			return
		}
		_, refused := e.Admit(t.Context(), c)
		if want := bitsAgree(block, at.Addr()); (refused == nil) != want {
			t.Fatalf("%q has %q: %v, want %v", block, address, refused == nil, want)
		}
	})
}

// bitsAgree compares an address with a range, both as 16 bytes, bit by bit.
func bitsAgree(block string, a netip.Addr) bool {
	text, length, ranged := strings.Cut(block, "/")
	base := netip.MustParseAddr(text)
	bits := 128
	if ranged {
		bits = 0
		for _, digit := range length {
			bits = 10*bits + int(digit-'0')
		}
		if base.Is4() {
			bits += 96
		}
	}
	is4 := func(a netip.Addr) bool { return a.Is4() || a.Is4In6() }
	if is4(base) != is4(a) {
		return false
	}
	x, y := base.As16(), a.As16()
	for i := range bits {
		if x[i/8]>>(7-i%8)&1 != y[i/8]>>(7-i%8)&1 {
			return false
		}
	}
	return true
}

// Patterns and templates of paths against regular expressions.
func FuzzPath(f *testing.F) {
	f.Add("/a/{*}/b/{**}", "/a/x/b/y/z")
	f.Fuzz(func(t *testing.T, pattern, p string) {
		if !strings.HasPrefix(p, "/") || strings.Contains(p, "\x00") || !regular(pattern, p) {
			return
		}
		allow, deny, ok := tryRule(pathRule(pattern), request{path: p})
		if !ok {
			return
		}
		if want := pathBelief([]string{pattern}, p); allow != want.every || deny != want.some {
			t.Fatalf("%q against %q: ALLOW matches %v, DENY matches %v, want %v and %v", pattern, p, allow, deny, want.every, want.some)
		}
	})
}

// Patterns of hosts against regular expressions.
func FuzzHost(f *testing.F) {
	f.Add("*.example:443", "A.example.:443")
	f.Fuzz(func(t *testing.T, pattern, authority string) {
		if strings.ContainsAny(pattern+authority, "[]") || !regular(pattern, authority) || strings.Count(pattern, ":") > 1 { // the oracle has no IPv6
			return
		}
		r := request{host: authority, https: len(authority)%2 == 0}
		allow, deny, ok := tryRule(to(authz.Operation{Hosts: []string{pattern}}), r)
		if !ok {
			return
		}
		if want := hostBelief([]string{pattern}, r); allow != want.every || deny != want.some {
			t.Fatalf("%q against %q: ALLOW matches %v, DENY matches %v, want %v and %v", pattern, authority, allow, deny, want.every, want.some)
		}
	})
}

// End users against regular expressions: no issuer passes for another.
func FuzzSubject(f *testing.F) {
	f.Add("https://i.example/alice", "https://i.example", "alice")
	f.Fuzz(func(t *testing.T, pattern, issuer, name string) {
		if !regular(pattern, issuer, name) || strings.Contains(issuer+name, "\x00") {
			return
		}
		r := request{auth: &enmesh.Auth{Issuer: issuer, Subject: name}}
		allow, deny, ok := tryRule(from(authz.Source{RequestPrincipals: []string{pattern}}), r)
		if !ok {
			return
		}
		if want := endUser([]string{pattern}, r); allow != want.every || deny != want.some {
			t.Fatalf("%q against %q and %q: ALLOW matches %v, DENY matches %v, want %v and %v", pattern, issuer, name, allow, deny, want.every, want.some)
		}
	})
}

// Whatever text a policy holds, it is taken or refused, and no call brings it down.
func FuzzNew(f *testing.F) {
	f.Add("request.headers[x]", "a*")
	f.Fuzz(func(t *testing.T, key, value string) {
		vs := []string{value}
		for _, rule := range []authz.Rule{
			when(key, value), unless(key, value), from(authz.Source{Principals: vs}), from(authz.Source{NotRequestPrincipals: vs}),
			from(authz.Source{ServiceAccounts: vs}), from(authz.Source{Namespaces: vs}), to(authz.Operation{Ports: vs, Methods: vs}),
		} {
			r := request{
				identity: web, path: value, host: value, header: lines(key, value), auth: &enmesh.Auth{Issuer: key, Subject: value, Claims: map[string]any{key: value}},
			}
			if allow, deny, ok := tryRule(rule, r); ok && allow && !deny {
				t.Fatalf("%+v: ALLOW matches and DENY does not", rule)
			}
		}
	})
}
