// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package urlpath

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind says what a byte of a decoded path asks for.
type kind uint8

const (
	plain kind = iota // nothing
	slash
	dot
	odd // a closer look
)

var (
	kinds  = kindsOf(false)
	folded = kindsOf(true)
)

func kindsOf(fold bool) (t [256]kind) {
	for b := range t {
		switch c := byte(b); {
		case c == '/':
			t[b] = slash
		case c == '.':
			t[b] = dot
		case c < ' ' || c >= 0x7f || strings.IndexByte(`%;\`+unescaped, c) >= 0 || fold && 'A' <= c && c <= 'Z':
			t[b] = odd
		}
	}
	return t
}

// Clean brings a path into its one form, and says how it is written: raw is "" where the
// plain way of package net/url is meant. path and raw are url.URL's Path and RawPath. A path
// that is fine comes back as it is, without an allocation.
func (r Rules) Clean(path, raw string) (cleanPath, cleanRaw string, why Reason) {
	if r.Level == None {
		return path, raw, untouched(path, raw)
	}
	if raw == "" && r.fine(path) {
		return path, "", OK
	}
	return r.clean(path, raw)
}

// fine reports whether path, written the plain way, is in its one form for sure.
func (r Rules) fine(path string) bool {
	t := &kinds
	if r.Fold {
		t = &folded
	}
	before := plain
	for i := range len(path) {
		k := t[path[i]]
		if k == odd || before == slash && k != plain {
			return false
		}
		before = k
	}
	return path != "" && path[0] == '/'
}

// untouched is what is refused of a path that is left alone.
func untouched(path, raw string) Reason {
	switch {
	case path == "" || path[0] != '/':
		return Relative
	case strings.IndexByte(path, 0) >= 0:
		return NUL
	case strings.IndexByte(raw, '#') >= 0:
		return Fragment
	}
	return OK
}

// room is how long a path may be to be cleaned without room from the heap.
const room = 256

func (r Rules) clean(path, raw string) (string, string, Reason) {
	if path == "" || path[0] != '/' {
		return "", "", Relative
	}
	var space, written [room]byte
	d := decoder{rules: r}
	b, why := d.decode(space[:0], path, raw)
	if why != OK {
		return "", "", why
	}
	if b, why = d.letters(b); why != OK {
		return "", "", why
	}
	if b, why = d.resolve(b); why != OK {
		return "", "", why
	}
	if r.Level != Base {
		b = merge(b)
	}
	cleanRaw := ""
	if d.kept || bytes.ContainsAny(b, unescaped) {
		cleanRaw = same(raw, escape(written[:0], b))
	}
	if d.kept {
		for i := range b {
			if b[i] == escapedSlash {
				b[i] = '/'
			}
		}
	}
	return same(path, b), cleanRaw, OK
}

// same is b as a string: s, if it is that.
func same(s string, b []byte) string {
	if s == string(b) {
		return s
	}
	return string(b)
}

// letters checks what is decoded by characters, and folds their case.
func (d *decoder) letters(b []byte) ([]byte, Reason) {
	strict := d.rules.Level == Strict
	if strict && twice(b) {
		return nil, Twice
	}
	if d.high && (strict || d.rules.Fold) && !utf8.Valid(b) {
		return nil, UTF8
	}
	switch {
	case !d.rules.Fold:
		return b, OK
	case d.high:
		return fold(b)
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b, OK
}

// twice reports whether decoding b once more would change it.
func twice(b []byte) bool {
	for i, c := range b {
		if c == '%' && i+2 < len(b) && hex(b[i+1]) >= 0 && hex(b[i+2]) >= 0 {
			return true
		}
	}
	return false
}

// fold is b in lower case. Letters beyond ASCII that some ways of folding make ASCII
// letters of are refused: whether "ſecret" is "secret" depends on who asks.
func fold(b []byte) ([]byte, Reason) {
	for _, c := range string(b) {
		if c >= utf8.RuneSelf && asciiByCase(c) {
			return nil, Letter
		}
	}
	return bytes.ToLower(b), OK
}

func asciiByCase(c rune) bool {
	return unicode.ToLower(c) < utf8.RuneSelf || unicode.ToUpper(c) < utf8.RuneSelf || unicode.SimpleFold(c) < utf8.RuneSelf
}
