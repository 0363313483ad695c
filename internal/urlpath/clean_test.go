// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package urlpath_test

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/enmesh-go/enmesh/internal/urlpath"
)

const (
	strict = urlpath.Strict
	none   = urlpath.None
	base   = urlpath.Base
	merges = urlpath.MergeSlashes
	decode = urlpath.DecodeAndMergeSlashes
)

// read is a request target as a server of net/http reads it.
func read(t testing.TB, target string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	return u
}

func TestClean_levels(t *testing.T) {
	for _, tt := range []struct{ target, strict, none, base, merge, decode string }{
		{"/", "/", "/", "/", "/", "/"},
		{"/a/b", "/a/b", "/a/b", "/a/b", "/a/b", "/a/b"},
		{"/a/b/", "/a/b/", "/a/b/", "/a/b/", "/a/b/", "/a/b/"},
		{"/a%20b", "/a%20b", "/a%20b", "/a%20b", "/a%20b", "/a%20b"},
		{"/%61%2Db", "/a-b", "/%61%2Db", "/a-b", "/a-b", "/a-b"},
		{"/%c3%bc", "/%C3%BC", "/%c3%bc", "/%C3%BC", "/%C3%BC", "/%C3%BC"},
		{"/it's(1)!*", "/it's(1)!*", "/it's(1)!*", "/it's(1)!*", "/it's(1)!*", "/it's(1)!*"},
		{"/it%27s", "/it's", "/it%27s", "/it's", "/it's", "/it's"},
		{"//a//b", "/a/b", "//a//b", "//a//b", "/a/b", "/a/b"},
		{"/a/./b/../c", "/a/c", "/a/./b/../c", "/a/c", "/a/c", "/a/c"},
		{"/a/%2e%2E/b", "/b", "/a/%2e%2E/b", "/b", "/b", "/b"},
		{"/../../a", "/a", "/../../a", "/a", "/a", "/a"},
		{"/a/.", "/a/", "/a/.", "/a/", "/a/", "/a/"},
		{"/a/..", "/", "/a/..", "/", "/", "/"},
		{"/a/b/..", "/a/", "/a/b/..", "/a/", "/a/", "/a/"},
		{"/a//../b", "ambiguous dot", "/a//../b", "/a/b", "/a/b", "/a/b"},
		{"/a..b/.c/...", "/a..b/.c/...", "/a..b/.c/...", "/a..b/.c/...", "/a..b/.c/...", "/a..b/.c/..."},
		{"/a%2Fb", "slash", "/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b"},
		{"/a%2fb", "slash", "/a%2fb", "/a%2Fb", "/a%2Fb", "/a/b"},
		{"/a%2f%2fb", "slash", "/a%2f%2fb", "ambiguous dot", "ambiguous dot", "/a/b"},
		{"/a/..%2fb", "slash", "/a/..%2fb", "ambiguous dot", "ambiguous dot", "/b"},
		{"/%2fa", "slash", "/%2fa", "ambiguous dot", "ambiguous dot", "/a"},
		{`/a\b`, "backslash", "/a%5Cb", "/a/b", "/a/b", "/a/b"},
		{`/a\..\b`, "backslash", `/a%5C..%5Cb`, "/b", "/b", "/b"},
		{"/a%5cb", "backslash", "/a%5cb", "backslash", "backslash", "/a/b"},
		{"/a%5Cb", "backslash", "/a%5Cb", "backslash", "backslash", "/a/b"},
		{"/a;b", "semicolon", "/a;b", "/a;b", "/a;b", "/a;b"},
		{"/a%3bb", "semicolon", "/a%3bb", "/a;b", "/a;b", "/a;b"},
		{"/a/..;/b", "semicolon", "/a/..;/b", "ambiguous dot", "ambiguous dot", "ambiguous dot"},
		{"/a#b", "fragment", "fragment", "fragment", "fragment", "fragment"},
		{"/a%23b", "/a%23b", "/a%23b", "/a%23b", "/a%23b", "/a%23b"},
		{"/a%3fb", "/a%3Fb", "/a%3fb", "/a%3Fb", "/a%3Fb", "/a%3Fb"},
		{"/a%00", "NUL", "NUL", "NUL", "NUL", "NUL"},
		{"/a%0ab", "control", "/a%0ab", "control", "control", "control"},
		{"/a%7f", "control", "/a%7f", "control", "control", "control"},
		{"/%2561", "twice", "/%2561", "/%2561", "/%2561", "/%2561"},
		{"/%25%36%31", "twice", "/%25%36%31", "/%2561", "/%2561", "/%2561"},
		{"/100%25", "/100%25", "/100%25", "/100%25", "/100%25", "/100%25"},
		{"/%c0%ae%c0%ae/a", "UTF-8", "/%c0%ae%c0%ae/a", "/%C0%AE%C0%AE/a", "/%C0%AE%C0%AE/a", "/%C0%AE%C0%AE/a"},
		{"/\uff0e\uff0e/a", "/%EF%BC%8E%EF%BC%8E/a", "/%EF%BC%8E%EF%BC%8E/a", "/%EF%BC%8E%EF%BC%8E/a", "/%EF%BC%8E%EF%BC%8E/a", "/%EF%BC%8E%EF%BC%8E/a"},
	} {
		u := read(t, tt.target)
		for level, want := range map[urlpath.Level]string{strict: tt.strict, none: tt.none, base: tt.base, merges: tt.merge, decode: tt.decode} {
			got, raw, why := urlpath.Rules{Level: level}.Clean(u.Path, u.RawPath)
			text := (&url.URL{Path: got, RawPath: raw}).EscapedPath()
			if why != urlpath.OK {
				text = why.String()
			}
			if why == urlpath.OK && text != want || why != urlpath.OK && !strings.Contains(text, want) {
				t.Errorf("level %d: %q is %q, want %q", level, tt.target, text, want)
			}
		}
	}
}

func TestClean_allowances(t *testing.T) {
	for _, tt := range []struct {
		rules        urlpath.Rules
		target, want string // want "": refused
	}{
		{urlpath.Rules{Parameters: true}, "/a;v=1/b", "/a;v=1/b"},
		{urlpath.Rules{Parameters: true}, "/a/..;v=1/b", ""},
		{urlpath.Rules{Parameters: true}, "/a/.;/b", ""},
		{urlpath.Rules{Backslash: true}, `/a\b`, `/a\b`},
		{urlpath.Rules{Backslash: true}, `/a%5cb`, `/a\b`},
		{urlpath.Rules{Fold: true}, "/Admin/%41", "/admin/a"},
		{urlpath.Rules{Fold: true}, "/%C3%9C", "/ü"},
		{urlpath.Rules{Fold: true}, "/adm\u0131n", ""},
		{urlpath.Rules{Fold: true}, "/\u017fecret", ""},
		{urlpath.Rules{Fold: true}, "/\u212aey", ""},
		{urlpath.Rules{Fold: true, Level: base}, "/%ff", ""},
	} {
		u := read(t, tt.target)
		got, _, why := tt.rules.Clean(u.Path, u.RawPath)
		if (why == urlpath.OK) != (tt.want != "") || why == urlpath.OK && got != tt.want {
			t.Errorf("%+v: %q is %q (%v), want %q", tt.rules, tt.target, got, why, tt.want)
		}
	}
}

// A path that a middleware has changed without telling RawPath is the path.
func TestClean_rawOfAnotherPath(t *testing.T) {
	got, raw, why := urlpath.Rules{}.Clean("/b//c", "/a%2Fb")
	if got != "/b/c" || raw != "" || why != urlpath.OK {
		t.Errorf("got %q, %q, %v", got, raw, why)
	}
	if _, _, why := (urlpath.Rules{}).Clean("", ""); why != urlpath.Relative {
		t.Errorf("an empty path: %v", why)
	}
}

// What is escaped the plain way is what package net/url escapes so, but for the bytes that
// it escapes without need.
func TestClean_escapesAsNetURLDoes(t *testing.T) {
	for b := byte(0x20); b < 0xff; b++ {
		p := "/a" + string([]byte{b}) + "b"
		if b == '/' || b == '\\' || b == 0x7f || strings.IndexByte("!'()*", b) >= 0 {
			continue
		}
		plain := (&url.URL{Path: p}).EscapedPath()
		got, raw, why := urlpath.Rules{Level: base}.Clean(p, plain)
		if got != p || raw != "" || why != urlpath.OK {
			t.Errorf("%q, written %q: got %q, %q, %v", p, plain, got, raw, why)
		}
	}
}

func TestBehind(t *testing.T) {
	for b := byte(0x20); b < 0xff; b++ {
		p := "/a" + string([]byte{b}) + "b"
		written := (&url.URL{Path: p}).EscapedPath()
		if rest, ok := urlpath.Behind(p, written+"?c"); rest != "?c" || !ok {
			t.Errorf("%q, written %q: %q, %v", p, written, rest, ok)
		}
	}
	for _, tt := range [][2]string{{"/a", "/%61"}, {"/ü", "/%c3%bc"}, {"/a'", "/a'"}, {"/a b", "/a b"}, {"/a", ""}, {"/a%", "/a%"}, {"/a%", "/a%2"}} {
		if rest, ok := urlpath.Behind(tt[0], tt[1]); ok {
			t.Errorf("%q is %q, with %q behind it", tt[1], tt[0], rest)
		}
	}
}

func TestClean_foldsToWhatStaysFolded(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || unicode.SimpleFold(r) == r && unicode.ToLower(r) == r && unicode.ToUpper(r) == r {
			continue // it has no case
		}
		got, _, why := urlpath.Rules{Fold: true}.Clean("/"+string(r), "")
		if why != urlpath.OK {
			if why != urlpath.Letter || unicode.ToUpper(r) >= 0x80 && unicode.ToLower(r) >= 0x80 && unicode.SimpleFold(r) >= 0x80 {
				t.Errorf("%U: %v", r, why)
			}
			continue
		}
		if again, _, why := (urlpath.Rules{Fold: true}).Clean(got, ""); again != got || why != urlpath.OK {
			t.Errorf("%U: %q, and again %q (%v)", r, got, again, why)
		}
		if strings.EqualFold(got, "/k") || strings.EqualFold(got, "/s") || strings.EqualFold(got, "/i") {
			t.Errorf("%U is %q", r, got)
		}
	}
}

func TestClean_aFinePathCostsNoAllocation(t *testing.T) {
	for _, target := range []string{"/", "/api/v1/users/12345", "/.well-known/x", "/it's", "/a/\u00fc", "/100%25/a"} {
		u := read(t, target)
		if u.RawPath != "" && target != "/it's" {
			u.RawPath = ""
		}
		if n := testing.AllocsPerRun(100, func() { _, _, _ = urlpath.Rules{}.Clean(u.Path, u.RawPath) }); n != 0 {
			t.Errorf("%q: %.0f allocations, want none", target, n)
		}
	}
}

func BenchmarkClean(b *testing.B) {
	for name, target := range map[string]string{
		"fine": "/api/v1/users/12345", "closer look": "/.well-known/openid", "to be changed": "/api//v1/../v2/%61",
		"refused": "/public/..%2fadmin", "long": "/" + strings.Repeat("abcdefgh/", 25),
	} {
		u := read(b, target)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, _ = urlpath.Rules{}.Clean(u.Path, u.RawPath)
			}
		})
	}
}

// FuzzClean holds what the form of a path is: a second cleaning changes nothing, written
// out and read again it is the same, and nothing is left in it that can be read in two ways.
func FuzzClean(f *testing.F) {
	for _, s := range []string{
		"/admin/secret", "//a/./b/../c", "/public/%2e%2e/x", "/a%2Fb", "/..%2fa", `/a\..\b`, "/a;b/..;c", "/%2561", "/a%00",
		"/it's(1)", "/%c0%ae", "/\u212aA", "/a//../b", "/a#b", "*", "/%25%36%31", "/..", "/.%2f.", "/%5c..%5c",
	} {
		for level := range byte(5) {
			f.Add(s, level, byte(0))
		}
		f.Add(s, byte(0), byte(7))
	}
	f.Fuzz(func(t *testing.T, target string, level, allow byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Path == "" {
			return
		}
		rules := urlpath.Rules{Level: urlpath.Level(level % 5), Parameters: allow&1 != 0, Backslash: allow&2 != 0, Fold: allow&4 != 0}
		p, raw, why := rules.Clean(u.Path, u.RawPath)
		if why != urlpath.OK || rules.Level == none {
			return
		}
		out := &url.URL{Path: p, RawPath: raw}
		if p2, raw2, why := rules.Clean(p, raw); p2 != p || raw2 != raw || why != urlpath.OK {
			t.Fatalf("%q: %q, %q; again: %q, %q, %v", target, p, raw, p2, raw2, why)
		}
		text := out.EscapedPath()
		back, err := url.ParseRequestURI(text)
		if err != nil || back.Path != p || back.RawPath != raw && raw != "" {
			t.Fatalf("%q: %q, %q; written %q and read as %q, %q (%v)", target, p, raw, text, back.Path, back.RawPath, err)
		}
		if p2, raw2, why := rules.Clean(back.Path, back.RawPath); p2 != p || raw2 != raw || why != urlpath.OK {
			t.Fatalf("%q: %q, %q; read again: %q, %q, %v", target, p, raw, p2, raw2, why)
		}
		unambiguous(t, rules, target, p, text)
	})
}

func unambiguous(t *testing.T, rules urlpath.Rules, target, p, text string) {
	t.Helper()
	if p[0] != '/' || strings.ContainsAny(p, "\x00\r\n\t\x7f") {
		t.Fatalf("%q is %q", target, p)
	}
	for segment := range strings.SplitSeq(p, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			t.Fatalf("%q is %q, with dots", target, p)
		}
	}
	if rules.Level == base {
		return
	}
	want := path.Clean(p)
	if strings.HasSuffix(p, "/") && p != "/" {
		want += "/"
	}
	if p != want {
		t.Fatalf("%q is %q, and path.Clean makes %q of it", target, p, want)
	}
	if rules.Level != strict {
		return
	}
	if strings.Contains(strings.ToLower(text), "%2f") || !utf8.ValidString(p) ||
		!rules.Parameters && strings.Contains(p, ";") || !rules.Backslash && strings.Contains(p, `\`) {
		t.Fatalf("%q is %q, written %q", target, p, text)
	}
	if twice, err := url.PathUnescape(p); err == nil && twice != p {
		t.Fatalf("%q is %q, and %q when it is decoded twice", target, p, twice)
	}
}
