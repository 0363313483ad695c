// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package urlpath brings the path of a request into one form, so that whoever checks it
// and whoever serves it read the same.
//
// A path can be written in many ways, and every layer that takes one for another than the
// layer before it did is a way past the check: "/public/..%2fadmin", "//admin",
// "/admin;x=1". A proxy can only guess how the service behind it reads a path. In one
// process the guess is not needed: the cleaned path is what the policies compare and what
// the handler gets.
//
//	path, raw, why := urlpath.Rules{}.Clean(u.Path, u.RawPath)
//	if why != urlpath.OK {
//		return why // ambiguous: 400
//	}
//	u.Path, u.RawPath = path, raw
//
// Clean is idempotent: what it returns, written out and read again, it returns unchanged.
// Escapes are decoded once and never again.
package urlpath

// Level says how a path is brought into one form. All but Strict are the levels of Istio's
// pathNormalization.
type Level uint8

// The levels.
const (
	// Strict resolves dot segments and merges slashes, and refuses whatever two readers
	// could take for two paths: escaped slashes, backslashes, ";", a "%" that is followed by
	// two hexadecimal digits once it is decoded, bytes that are not UTF-8, and an empty
	// segment that ".." would remove.
	Strict Level = iota
	// None leaves the path as it came; only NUL, a raw "#" and what
	// does not begin with a slash are refused.
	None
	// Base resolves dot segments (RFC 3986, section 5.2.4) and reads a backslash as a
	// slash. Escaped slashes stay escaped, and an escaped backslash is refused.
	Base
	// MergeSlashes is Base, and slashes that follow each other become one.
	MergeSlashes
	// DecodeAndMergeSlashes is MergeSlashes, after escaped slashes and backslashes were
	// decoded.
	DecodeAndMergeSlashes
)

// Reason is why a path is refused.
type Reason uint8

// The reasons.
const (
	OK        Reason = iota
	Relative         // it does not begin with a slash
	NUL              // it has a NUL, escaped or not
	Control          // it has a control character
	Fragment         // it has a raw "#"
	Slash            // it has an escaped slash
	Backslash        // it has a backslash
	Parameter        // it has a ";"
	Twice            // it would be another path if it were decoded twice
	UTF8             // it is not UTF-8
	Dots             // dot segments are hidden in it, or ".." would remove an empty segment
	Letter           // it has a letter that only becomes ASCII when case is folded

	Reasons // how many there are
)

var texts = [Reasons]string{
	OK:        "the path is fine",
	Relative:  "the path does not begin with a slash",
	NUL:       "the path has a NUL",
	Control:   "the path has a control character",
	Fragment:  "the path has a fragment",
	Slash:     "the path has an escaped slash",
	Backslash: "the path has a backslash",
	Parameter: "the path has a semicolon",
	Twice:     "the path is escaped twice",
	UTF8:      "the path is not UTF-8",
	Dots:      "the path has ambiguous dot segments",
	Letter:    "the path has a letter that becomes another one when its case is folded",
}

// String says it in words.
func (r Reason) String() string {
	if r < Reasons {
		return texts[r]
	}
	return texts[OK]
}

// Rules are what a server makes of the paths that it is asked for. The zero value is Strict.
type Rules struct {
	Level      Level
	Parameters bool // Strict takes ";" for a byte of a name
	Backslash  bool // Strict takes a backslash for a byte of a name
	Fold       bool // letters become lower case; paths must be UTF-8 then
}
