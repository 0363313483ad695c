// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

// FuzzStringMatch compares path matching with the plain way to say the same.
func FuzzStringMatch(f *testing.F) {
	f.Add(uint8(1), "/a", "/a", false)
	f.Add(uint8(2), "/API", "/api/x", true)
	f.Add(uint8(3), "/a|/b", "/ax", false)
	f.Add(uint8(3), "(?m)^a$", "a\nb", false)
	f.Add(uint8(3), "a)|(b", "b", false)
	f.Fuzz(func(t *testing.T, kind uint8, value, path string, fold bool) {
		sm := route.StringMatch{Kind: route.Kind(kind % 4), Value: value, IgnoreCase: fold}
		m, err := route.Compile(route.Match{URI: &sm})
		if err != nil {
			if sm.Kind != route.KindRegex {
				t.Fatalf("Compile(%+v): %v", sm, err)
			}
			return
		}
		p, v := path, value
		if fold {
			p, v = lowerASCII(p), lowerASCII(v)
		}
		var want bool
		switch sm.Kind {
		case route.KindPresent:
			want = path != ""
		case route.KindExact:
			want = p == v
		case route.KindPrefix:
			want = strings.HasPrefix(p, v)
		case route.KindRegex:
			want = wholeMatch(t, value, path)
		}
		if got := m.Matches(&enmesh.Call{Path: path}); got != want {
			t.Errorf("%+v on %q: %t, want %t", sm, path, got, want)
		}
	})
}

// wholeMatch asks for the longest match at the start of path and whether that is all.
func wholeMatch(t *testing.T, expression, path string) bool {
	t.Helper()
	re, err := regexp.Compile(`(?:` + expression + `)\z`)
	if err != nil {
		t.Fatalf("Compile took %q: %v", expression, err)
	}
	re.Longest()
	for _, at := range re.FindAllStringIndex(path, -1) {
		if at[0] == 0 && at[1] == len(path) {
			return true
		}
	}
	return false
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// FuzzHeaders compares header matching, over both protocols, with the plain way.
func FuzzHeaders(f *testing.F) {
	f.Add("end-user", "jason", "End-User", "jason", "", false)
	f.Add("a", "x,y", "A", "x", "y", false)
	f.Add("a", "x", "b", "x", "", true)
	f.Fuzz(func(t *testing.T, name, value, gotName, first, second string, without bool) {
		sm := route.Match{Headers: map[string]route.StringMatch{name: route.Exact(value)}}
		if without {
			sm = route.Match{WithoutHeaders: sm.Headers}
		}
		m := mustCompile(t, sm)
		header := []string{gotName, first}
		if second != "" {
			header = append(header, gotName, second)
			first += "," + second
		}
		there := strings.EqualFold(name, gotName)
		if !there {
			first = ""
		}
		for protocol, c := range calls("GET", "/", header...) {
			if there != (len(c.Header.Values(name)) > 0) {
				return // the protocol does not think that these are one name
			}
			want := there && first == value
			if without {
				want = first != value
			}
			if got := m.Matches(c); got != want {
				t.Errorf("%s: %+v on %q: %t, want %t", protocol, sm, header, got, want)
			}
		}
	})
}

// FuzzQuery compares with net/url.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"q=1", "q=a%20b+c", "%71=1&q=2", "q;x=1&q=%zz&q=3", "q", "&&=&q=%", "a=b=c&q==1"} {
		f.Add("q", "1", q)
	}
	f.Fuzz(func(t *testing.T, name, value, query string) {
		want, _ := url.ParseQuery(query)
		_, there := want[name]
		c := &enmesh.Call{Query: query}
		for kind, tc := range map[string]struct {
			m    route.StringMatch
			want bool
		}{
			"exact":   {route.Exact(value), there && want.Get(name) == value},
			"prefix":  {route.Prefix(value), there && strings.HasPrefix(want.Get(name), value)},
			"present": {route.Present(), there},
		} {
			m := mustCompile(t, route.Match{Query: map[string]route.StringMatch{name: tc.m}})
			if got := m.Matches(c); got != tc.want {
				t.Errorf("%s %q=%q on %q: %t, want %t", kind, name, value, query, got, tc.want)
			}
		}
	})
}

// FuzzWhy holds that what is said of a match is what it does: a reason is given exactly
// where the match does not take the call.
func FuzzWhy(f *testing.F) {
	f.Add(uint8(1), "/a", "x", uint16(0), "/a", "x", "q=x", "reviews", uint16(80), uint8(0))
	f.Add(uint8(2), "/b", "x", uint16(80), "/a", "y", "q=%78", "reviews:80", uint16(80), uint8(7))
	f.Add(uint8(3), "a|b", "", uint16(0), "", "", "", "", uint16(0), uint8(63))
	f.Fuzz(func(t *testing.T, kind uint8, uri, value string, port uint16, path, header, query, authority string, to uint16, which uint8) {
		sm := route.StringMatch{Kind: route.Kind(kind % 4), Value: value}
		at := route.StringMatch{Kind: route.Kind(kind / 4 % 4), Value: uri}
		m := route.Match{URI: &at, Port: port, IgnoreURICase: which&1 != 0}
		if which&2 != 0 {
			m.Headers = map[string]route.StringMatch{"a": sm, "B": route.Present()}
		}
		if which&4 != 0 {
			m.WithoutHeaders = map[string]route.StringMatch{"c": sm}
		}
		if which&8 != 0 {
			m.Query = map[string]route.StringMatch{"q": sm}
		}
		if which&16 != 0 {
			m.Authority, m.Scheme, m.Method = &sm, &sm, &sm
		}
		if which&32 != 0 {
			m.SourceNamespace, m.SourceLabels = value, map[string]string{"app": value}
		}
		compiled, err := route.Compile(m)
		if err != nil {
			return
		}
		for protocol, c := range calls("GET", path, "A", header, "b", "", "C", header, "c", value) {
			c.Query, c.Authority, c.Scheme, c.Port = query, authority, header, to
			c.Side = enmesh.Side(which >> 6 & 1)
			if which&128 != 0 {
				c.Source = &enmesh.Peer{Identity: "spiffe://d/ns/" + header + "/sa/x", Labels: map[string]string{"app": header}}
			}
			why := compiled.Why(c)
			if takes := compiled.Matches(c); takes != (why == nil) {
				t.Errorf("%s: %+v on %+v: Matches is %t, and Why says %v", protocol, m, c, takes, why)
			}
			if why != nil && (why.Field == "" || why.Want == "") {
				t.Errorf("%s: an empty reason: %+v", protocol, why)
			}
		}
	})
}
