// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// set describes a call by "Header: value" and "?query" lines.
func set(lines ...string) func(*enmesh.Call) {
	return func(c *enmesh.Call) {
		for _, l := range lines {
			if q, ok := strings.CutPrefix(l, "?"); ok {
				c.Query = q
				continue
			}
			name, value, _ := strings.Cut(l, ": ")
			c.Header.Add(name, value)
		}
	}
}

func TestPlaces(t *testing.T) {
	good, other, bad := token(nil), token(object{"sub": "bob"}), token(object{"exp": 1})
	rule := func(change func(*jwt.Rule)) jwt.Rule {
		r := plain()
		change(&r)
		return r
	}
	headers := rule(func(r *jwt.Rule) {
		r.FromHeaders = []jwt.HeaderPlace{{"x-jwt-token", "Value "}, {"auth-token", "Token "}, {"X-Raw", ""}}
		r.FromParams = []string{"token", "secondary_token"}
		r.FromCookies = []string{"session"}
	})
	for _, tt := range []struct {
		name string
		rule jwt.Rule
		in   []string
		want string // the subject; "": no token; "401"
		left []string
	}{
		{"default header", plain(), []string{"Authorization: Bearer " + good}, "alice", nil},
		{"default header, other case", plain(), []string{"Authorization: bEARER " + good}, "alice", nil},
		{"default parameter", plain(), []string{"?access_token=" + good}, "alice", nil},
		{"parameter among others", plain(), []string{"?a=%2f&access_token=" + good + "&b=&&c"}, "alice", []string{"?a=%2f&b=&&c"}},
		{"parameter in disguise", plain(), []string{"?access%5Ftoken=" + good}, "alice", nil},
		{"parameter twice, the same", plain(), []string{"?access_token=" + good + "&access_token=" + good}, "alice", nil},
		{"parameter twice", plain(), []string{"?access_token=" + good + "&access_token=" + other}, "401", nil},
		{"parameter twice, one bad", plain(), []string{"?access_token=" + good + "&access_token=" + bad}, "401", nil},
		{"parameter empty", plain(), []string{"?access_token="}, "401", nil},
		{"parameter of another name", plain(), []string{"?access_tokens=" + good}, "", []string{"?access_tokens=" + good}},
		{"no token", plain(), nil, "", nil},
		{"another scheme", plain(), []string{"Authorization: Basic YTpi"}, "", []string{"Authorization: Basic YTpi"}},
		{"another scheme that begins so", plain(), []string{"Authorization: Bearerx " + good}, "", []string{"Authorization: Bearerx " + good}},
		{"scheme alone", plain(), []string{"Authorization: Bearer"}, "401", nil},
		{"scheme and a space", plain(), []string{"Authorization: Bearer "}, "401", nil},
		{"scheme and a tab", plain(), []string{"Authorization: Bearer\t" + good}, "401", nil},
		{"scheme and two spaces", plain(), []string{"Authorization: Bearer  " + good}, "401", nil},
		{"behind another scheme", plain(), []string{"Authorization: Basic YTpi, Bearer " + good}, "401", nil},
		{"header twice, the same", plain(), []string{"Authorization: Bearer " + good, "Authorization: Bearer " + good}, "alice", nil},
		{"header twice", plain(), []string{"Authorization: Bearer " + good, "Authorization: Bearer " + other}, "401", nil},
		{"header twice, bad first", plain(), []string{"Authorization: Bearer " + bad, "Authorization: Bearer " + good}, "401", nil},
		{"header twice, other scheme", plain(), []string{"Authorization: Basic YTpi", "Authorization: Bearer " + good}, "alice", []string{"Authorization: Basic YTpi"}},
		{"header and parameter", plain(), []string{"Authorization: Bearer " + good, "?access_token=" + other}, "alice", nil},
		{"header good, parameter bad", plain(), []string{"Authorization: Bearer " + good, "?access_token=" + bad}, "401", nil},
		{"header bad, parameter good", plain(), []string{"Authorization: Bearer " + bad, "?access_token=" + good}, "401", nil},
		{"own header", headers, []string{"X-Jwt-Token: Value " + good}, "alice", nil},
		{"own header, second", headers, []string{"Auth-Token: Token " + good}, "alice", nil},
		{"own header without its prefix", headers, []string{"X-Jwt-Token: " + good}, "", []string{"X-Jwt-Token: " + good}},
		{"own header with the other's prefix", headers, []string{"X-Jwt-Token: Token " + good}, "", []string{"X-Jwt-Token: Token " + good}},
		{"own header, no prefix", headers, []string{"X-Raw: " + good}, "alice", nil},
		{"own header, no prefix, empty", headers, []string{"X-Raw: "}, "401", nil},
		{"own parameter", headers, []string{"?secondary_token=" + good}, "alice", nil},
		{"not the default place", headers, []string{"Authorization: Bearer " + bad}, "", []string{"Authorization: Bearer " + bad}},
		{"cookie", headers, []string{"Cookie: a=b; session=" + good + "; c=d"}, "alice", []string{"Cookie: a=b; c=d"}},
		{"cookie in quotes", headers, []string{`Cookie: session="` + good + `"`}, "alice", nil},
		{"cookie twice", headers, []string{"Cookie: session=" + good + ";session=" + other}, "401", nil},
		{"cookie in two headers", headers, []string{"Cookie: session=" + good, "Cookie: session=" + other}, "401", nil},
		{"cookie bad", headers, []string{"Cookie: session=x"}, "401", nil},
		{"cookie of another name", headers, []string{"Cookie: xsession=" + bad}, "", []string{"Cookie: xsession=" + bad}},
		{"forwarded", rule(func(r *jwt.Rule) { r.Forward = true }), []string{"Authorization: Bearer " + good, "?access_token=" + good}, "alice", []string{"Authorization: Bearer " + good, "?access_token=" + good}},
		{"preflight", plain(), []string{"Origin: https://a", "Access-Control-Request-Method: GET", "Authorization: Bearer x"}, "401", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuth(t, jwt.Config{Rules: []jwt.Rule{tt.rule}})
			for range 2 { // from the cache, too
				s, err := call(a, set(tt.in...))
				if tt.want == "401" {
					if !errors.Is(err, jwt.ErrInvalid) || s.ran {
						t.Fatalf("ran %v, %v; want 401", s.ran, err)
					}
					continue
				}
				if err != nil || (tt.want == "") != (s.auth == nil) || s.auth != nil && s.auth.Subject != tt.want {
					t.Fatalf("got %+v, %v; want %q", s.auth, err, tt.want)
				}
				want := &enmesh.Call{Header: enmeshtest.Header{}}
				set(tt.left...)(want)
				left := map[string][]string(s.header)
				if s.query != want.Query || !bytes.Equal(must(json.Marshal(left)), must(json.Marshal(want.Header))) {
					t.Errorf("the handler sees %q and %q, want %q", left, s.query, tt.left)
				}
			}
		})
	}
}

// A browser's question goes through without a token. One that has a token is held to it,
// wherever it stands: it is never taken for a question without.
func TestPreflight(t *testing.T) {
	good, bad := "Authorization: Bearer "+token(nil), "Authorization: Bearer x"
	for _, tt := range []struct {
		name string
		in   []string
		want string // whom the handler sees; "401": it does not run
	}{
		{"no token", nil, ""},
		{"token of nobody", []string{bad}, "401"},
		{"token in the query", []string{"?access_token=x"}, "401"},
		{"two tokens", []string{bad, good}, "401"},
		{"good token", []string{good}, "alice"},
		{"another scheme", []string{"Authorization: Basic YTpi"}, ""},
	} {
		s, err := call(newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}}), func(c *enmesh.Call) {
			set(append(tt.in, "Origin: https://a", "Access-Control-Request-Method: GET")...)(c)
			c.Method = "OPTIONS"
		})
		got := ""
		switch {
		case errors.Is(err, jwt.ErrInvalid) && !s.ran:
			got = "401"
		case s.auth != nil:
			got = s.auth.Subject
		}
		if got != tt.want || err == nil != s.ran {
			t.Errorf("%s: got %q, %v, the handler ran %t; want %q", tt.name, got, err, s.ran, tt.want)
		}
	}
}

// Rules that read one place are alternatives; each place must satisfy one of its own.
func TestRules(t *testing.T) {
	other := otherIssuer().sign("RS256", nil, claims(object{"iss": "https://other.example", "sub": "bob"}))
	second := jwt.Rule{Issuer: "https://other.example", JWKS: jwks(otherIssuer())}
	apart := second
	apart.FromHeaders = []jwt.HeaderPlace{{Name: "x-other", Prefix: ""}}
	stricter := plain()
	stricter.Audiences = []string{"bank"}
	for _, tt := range []struct {
		name  string
		rules []jwt.Rule
		in    []string
		want  string
	}{
		{"either issuer, the first", []jwt.Rule{plain(), second}, []string{"Authorization: Bearer " + token(nil)}, "alice"},
		{"either issuer, the second", []jwt.Rule{plain(), second}, []string{"Authorization: Bearer " + other}, "bob"},
		{"one issuer, two audiences", []jwt.Rule{stricter, plain()}, []string{"Authorization: Bearer " + token(nil)}, "alice"},
		{"one issuer, neither audience", []jwt.Rule{stricter, plain()}, []string{"Authorization: Bearer " + token(object{"aud": "x"})}, "401"},
		{"places apart, each its own", []jwt.Rule{plain(), apart}, []string{"Authorization: Bearer " + token(nil), "X-Other: " + other}, "alice"},
		{"places apart, the second", []jwt.Rule{plain(), apart}, []string{"X-Other: " + other}, "bob"},
		{"places apart, the wrong one", []jwt.Rule{plain(), apart}, []string{"Authorization: Bearer " + other}, "401"},
		{"places apart, one bad", []jwt.Rule{plain(), apart}, []string{"Authorization: Bearer " + token(nil), "X-Other: " + token(nil)}, "401"},
	} {
		a := newAuth(t, jwt.Config{Rules: tt.rules})
		for range 2 {
			s, err := call(a, set(tt.in...))
			got := "401"
			if err == nil {
				got = s.auth.Subject
			}
			if got != tt.want {
				t.Errorf("%s: got %s, %v; want %s", tt.name, got, err, tt.want)
			}
		}
	}
	// What one place accepts is not known at the other, though it is in the cache.
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain(), apart}})
	if _, err := call(a, set("X-Other: "+other)); err != nil {
		t.Fatal(err)
	}
	if _, err := call(a, set("Authorization: Bearer "+other)); !errors.Is(err, jwt.ErrIssuer) {
		t.Errorf("got %v", err)
	}
}

// A5: what only we may say is not taken from the caller, with a token or without.
func TestScenarioA5_outputs(t *testing.T) {
	r := plain()
	r.OutputPayload = "x-jwt-payload"
	r.OutputClaims = []jwt.ClaimHeader{{"x-user", "sub"}, {"x-level", "level"}, {"x-admin", "admin"}, {"x-nested", "nested.nested-2.key2"},
		{"x-dotted", "a.b"}, {"x-list", "list"}, {"x-none", "none"}, {"x-lines", "lines"}, {"x-scope", "scope"}, {"x-float", "float"}}
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{r}})
	var forged []string
	for _, o := range r.OutputClaims {
		forged = append(forged, o.Header+": forged", strings.ToUpper(o.Header)+": forged")
	}
	forged = append(forged, "X-JWT-Payload: forged", "x-jwt-payload: forged")
	preflight := func(c *enmesh.Call) {
		set(append(forged, "Origin: https://a", "Access-Control-Request-Method: GET")...)(c)
		c.Method = "OPTIONS"
	}
	for name, describe := range map[string]func(*enmesh.Call){"no token": set(forged...), "preflight": preflight} {
		s, err := call(a, describe)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range forged {
			if h, _, _ := strings.Cut(line, ": "); s.header.Get(h) != "" {
				t.Errorf("%s: the handler sees %s", name, h)
			}
		}
	}
	raw := token(object{
		"level": 7, "admin": true, "nested": object{"nested-2": object{"key2": "deep"}}, "a.b": "flat", "list": []int{1},
		"lines": "a\r\nX-User: root", "scope": "read write", "float": 1.5,
	})
	for range 2 {
		s, err := call(a, set(append(forged, "Authorization: Bearer "+raw)...))
		if err != nil {
			t.Fatal(err)
		}
		for h, want := range map[string]string{
			"x-user": "alice", "x-level": "7", "x-admin": "true", "x-nested": "deep", "x-dotted": "flat",
			"x-list": "", "x-none": "", "x-lines": "", "x-scope": "read write", "x-float": "",
		} {
			if got := strings.Join(s.header.Values(h), "|"); got != want {
				t.Errorf("%s is %q, want %q", h, got, want)
			}
		}
		payload, err := base64.RawURLEncoding.DecodeString(s.header.Get("x-jwt-payload"))
		if err != nil || !strings.Contains(string(payload), `"sub":"alice"`) || len(s.header.Values("x-jwt-payload")) != 1 {
			t.Errorf("payload %q, %v", payload, err)
		}
	}
}

// Claims of several values are lists for authorization.
func TestSpaceDelimited(t *testing.T) {
	r := plain()
	r.SpaceDelimited = []string{"roles", "provider.login.scope", "not.there", "sub.x"}
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{r}})
	s, err := call(a, bearer(token(object{
		"scope": "a  b", "permission": "one", "roles": "x y z", "provider": object{"login": object{"scope": "p q"}}, "other": "m n",
	})))
	if err != nil {
		t.Fatal(err)
	}
	got := string(must(json.Marshal(s.auth.Claims)))
	for _, want := range []string{`"scope":["a","b"]`, `"permission":["one"]`, `"roles":["x","y","z"]`, `{"scope":["p","q"]}`, `"other":"m n"`, `"sub":"alice"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// Where a rule says so, a token without a subject is accepted, as Istio does, and is nobody: no
// policy that asks for a principal matches.
func TestSubject_optional(t *testing.T) {
	r := plain()
	r.OptionalSubject = true
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{r}})
	for _, sub := range []any{nil, ""} {
		s, err := call(a, bearer(token(object{"sub": sub})))
		if err != nil || s.auth == nil || s.auth.Principal() != "" {
			t.Errorf("sub %v: %+v, %v", sub, s.auth, err)
		}
	}
}

// A token without a subject is invalid.
func TestSubject_required(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	for sub, want := range map[any]bool{"alice": true, "": false, nil: false} {
		if _, err := call(a, bearer(token(object{"sub": sub}))); (err == nil) != want || err != nil && !errors.Is(err, jwt.ErrInvalid) {
			t.Errorf("sub %v: got %v, want it accepted: %t", sub, err, want)
		}
	}
}

// Where a rule says so, an ID token is not an access token.
func TestTypes(t *testing.T) {
	r := plain()
	r.Types = []string{"at+jwt"}
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{r}})
	for typ, want := range map[any]bool{"at+jwt": true, "application/at+jwt": true, "AT+JWT": true, "JWT": false, "": false, nil: false} {
		if _, err := call(a, bearer(p256().sign("ES256", object{"typ": typ}, claims(nil)))); (err == nil) != want {
			t.Errorf("typ %v: %v", typ, err)
		}
	}
}

// A rule's list of algorithms is all there is.
func TestAlgorithms(t *testing.T) {
	r := plain()
	r.Algorithms = []string{"ES256", "EdDSA"}
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{r}})
	for raw, want := range map[string]bool{
		token(nil): true, edKey().sign("EdDSA", nil, claims(nil)): true,
		rsaKey().sign("RS256", nil, claims(nil)): false, p384().sign("ES384", nil, claims(nil)): false,
	} {
		if _, err := call(a, bearer(raw)); (err == nil) != want {
			t.Errorf("got %v, want accepted %v", err, want)
		}
	}
}
