// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

func mustCookie(t *testing.T, cfg affinity.CookieConfig) enmesh.Middleware {
	t.Helper()
	m, err := affinity.CookieFrom(cfg, func() uint64 { return 0xabc })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCookie_isRead(t *testing.T) {
	for _, generate := range []bool{false, true} {
		m := mustCookie(t, affinity.CookieConfig{Name: "user", Generate: generate})
		for line, want := range map[string]string{
			"user=jason":                "jason",
			"a=b; user=jason; c=d":      "jason",
			"a=b;user=jason":            "jason",
			`user="jason"`:              "jason",
			"user=jason; user=other":    "jason",
			"xuser=x; user=a=b":         "a=b",
			"user; =x; user=\tjason \t": "\tjason",
		} {
			if got := keyWith(m, header("Cookie", line)); got != affinity.KeyOf(want) {
				t.Errorf("%q: key %#x, want that of %q", line, got, want)
			}
		}
		if got := keyWith(m, header("Cookie", "a=b", "user=jason")); got != affinity.KeyOf("jason") {
			t.Errorf("in the second line: key %#x, want that of jason", got)
		}
	}
	m := mustCookie(t, affinity.CookieConfig{Name: "user"})
	for _, line := range []string{"", "User=jason", "users=jason", "user=", `user=""`, "user"} {
		if got := keyWith(m, header("Cookie", line)); got != 0 {
			t.Errorf("%q: key %#x, want none", line, got)
		}
	}
}

// answered is a far side that answers with a header and err.
func answered(err error) (enmeshtest.Step, enmeshtest.Header) {
	h := enmeshtest.Header{}
	return func(_ context.Context, c *enmesh.Call) error {
		c.Answer = enmesh.Answer{Status: 200, Header: h}
		return err
	}, h
}

func TestCookie_isGenerated(t *testing.T) {
	for _, tt := range []struct {
		cfg  affinity.CookieConfig
		want string
	}{
		{affinity.CookieConfig{}, "user=0000000000000abc; HttpOnly"},
		{affinity.CookieConfig{Path: "/shop", TTL: time.Hour}, "user=0000000000000abc; Max-Age=3600; Path=/shop; HttpOnly"},
		{affinity.CookieConfig{TTL: 1500 * time.Millisecond}, "user=0000000000000abc; Max-Age=2; HttpOnly"},
		{affinity.CookieConfig{TTL: 1<<63 - 1}, "user=0000000000000abc; Max-Age=9223372037; HttpOnly"},
		{affinity.CookieConfig{Attributes: affinity.Attributes(affinity.Attribute{"SameSite", "Strict"}, affinity.Attribute{"Secure", ""})},
			"user=0000000000000abc; SameSite=Strict; Secure; HttpOnly"},
		{affinity.CookieConfig{Attributes: " ;Secure; httponly;"}, "user=0000000000000abc; Secure; httponly"},
	} {
		tt.cfg.Name, tt.cfg.Generate = "user", true
		for name, err := range map[string]error{"success": nil, "failure": &enmesh.Error{Code: enmesh.Internal, Status: 500}} {
			step, h := answered(err)
			w := enmeshtest.NewWire(step)
			if got := w.Do(context.Background(), enmesh.Fixed(false, mustCookie(t, tt.cfg))); got != err {
				t.Fatalf("the call ended with %v, want %v", got, err)
			}
			w.Finish(err)
			if got := h.Values("Set-Cookie"); len(got) != 1 || got[0] != tt.want {
				t.Errorf("%+v, %s: Set-Cookie %q, want %q", tt.cfg, name, got, tt.want)
			}
			parsed, err := http.ParseSetCookie(tt.want)
			if err != nil {
				t.Errorf("%q: %v", tt.want, err)
				continue
			}
			// The first call has the key of those that carry the cookie.
			if got, want := w.Call().Key, keyWith(mustCookie(t, tt.cfg), header("Cookie", parsed.Name+"="+parsed.Value)); got != want {
				t.Errorf("the key of the first call is %#x, that of the second %#x", got, want)
			}
		}
	}
}

func TestCookie_isNotGeneratedWhereThereIsOne(t *testing.T) {
	step, h := answered(nil)
	w := enmeshtest.NewWire(step)
	header("Cookie", "user=jason")(w.Call())
	if err := w.Do(context.Background(), enmesh.Fixed(false, mustCookie(t, affinity.CookieConfig{Name: "user", Generate: true}))); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
	if len(h) != 0 {
		t.Errorf("the answer has %v, want no cookie", h)
	}
}

// A call that nobody answers brings no cookie, and no panic.
func TestCookie_noAnswer(t *testing.T) {
	refused := &enmesh.Error{Code: enmesh.Unavailable}
	w := enmeshtest.NewWire(enmeshtest.Answer(refused))
	if err := w.Do(context.Background(), enmesh.Fixed(false, mustCookie(t, affinity.CookieConfig{Name: "user", Generate: true}))); err != refused {
		t.Errorf("the call ended with %v, want %v", err, refused)
	}
}

func TestCookie_valuesDiffer(t *testing.T) {
	m, err := affinity.Cookie(affinity.CookieConfig{Name: "user", Generate: true})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for range 100 {
		seen[keyWith(m, func(*enmesh.Call) {})] = true
	}
	if len(seen) != 100 || seen[0] {
		t.Errorf("100 calls have %d keys, want 100, none 0", len(seen))
	}
}

func TestCookieConfig_validate(t *testing.T) {
	for _, tt := range []struct {
		cfg  affinity.CookieConfig
		want string
	}{
		{affinity.CookieConfig{Name: "user"}, ""},
		{affinity.CookieConfig{}, `affinity: cookie name "" is not a token`},
		{affinity.CookieConfig{Name: "a b"}, `affinity: cookie name "a b" is not a token`},
		{affinity.CookieConfig{Name: "a=b"}, `affinity: cookie name "a=b" is not a token`},
		{affinity.CookieConfig{Name: "ü"}, `affinity: cookie name "ü" is not a token`},
		{affinity.CookieConfig{Name: "a", TTL: -1}, "affinity: TTL -1ns of cookie a is negative"},
		{affinity.CookieConfig{Name: "a", Path: "/;b"}, `affinity: path "/;b" of cookie a has a character that no path can have`},
		{affinity.CookieConfig{Name: "a", Attributes: "x\r\ny"}, `affinity: attributes "x\r\ny" of cookie a have a character that no header can have`},
	} {
		_, err := affinity.Cookie(tt.cfg)
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || err.Error() != tt.want):
			t.Errorf("%+v: %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

func TestMiddleware_conforms(t *testing.T) {
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		return mustCookie(t, affinity.CookieConfig{Name: "user", Generate: true})
	})
}

// What net/http reads, Cookie reads the same, as far as it reads it.
func FuzzCookieValue(f *testing.F) {
	f.Add("a=b; user=jason", "user")
	f.Add(`user="x"; user=y`, "user")
	f.Add(";;= ;user;user=\t", "user")
	f.Fuzz(func(t *testing.T, line, name string) {
		got, ok := affinity.CookieValue(line, name)
		if !ok && got != "" || len(got) > len(line) || strings.Contains(got, ";") {
			t.Fatalf("%q in %q: %q %t", name, line, got, ok)
		}
		cookies, err := http.ParseCookie(line)
		if err != nil {
			return
		}
		for _, c := range cookies {
			if c.Name == name {
				if !ok || got != c.Value {
					t.Errorf("%q in %q: %q %t, want %q", name, line, got, ok, c.Value)
				}
				return
			}
		}
	})
}
