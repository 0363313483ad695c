// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// yamlError takes an error of the YAML package about text apart. The package counts the
// lines of what its parser finds, unlike its scanner, from 0, leaves out the first, and
// tells no column: that is found again where the message says what to look for.
func yamlError(err error, text []byte) (at position, message string) {
	m := yamlErrorLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		return position{line: 1}, err.Error()
	}
	at.line, _ = strconv.Atoi(m[1])
	if at.line == 0 || strings.HasPrefix(m[2], "did not find expected") {
		at.line++
	}
	return seek(at, m[2], text), "not valid YAML: " + m[2]
}

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

// seek is where in text the mistake is that YAML's message tells of; at, where it does not
// say what to look for.
func seek(at position, message string, text []byte) position {
	switch {
	case message == "control characters are not allowed":
		if i := firstNot(text, printable); i >= 0 {
			return positionIn(text, i)
		}
	case message == "found character that cannot start any token":
		return seekCharacter(at, text)
	}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		alias := regexp.MustCompile(`(?:^|[\s\[{,:-])(\*` + regexp.QuoteMeta(m[1]) + `)(?:$|[\s\]},])`)
		if found := alias.FindAllSubmatchIndex(text, 2); len(found) == 1 { // of two, one may be in a text
			return positionIn(text, found[0][2])
		}
	}
	return at
}

// seekCharacter is where the one character of a line is that begins nothing in YAML.
func seekCharacter(at position, text []byte) position {
	for range at.line - 1 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	const none = "\t@`%"
	if i := bytes.IndexAny(line, none); i >= 0 && i == bytes.LastIndexAny(line, none) {
		at.column = utf8.RuneCount(line[:i]) + 1
	}
	return at
}

// firstNot is the offset of the first rune that is not good; -1: all are.
func firstNot(text []byte, good func(r rune, size int) bool) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if !good(r, size) {
			return i
		}
		i += size
	}
	return -1
}

// printable reports whether YAML takes a character.
func printable(r rune, _ int) bool {
	return r == '\t' || r == '\n' || r == 0x85 || r >= ' ' && r < 0x7f || r >= 0xa0 && r != 0xfffe && r != 0xffff
}

// positionIn is the place of an offset; a column is that of a character.
func positionIn(text []byte, offset int) position {
	before := text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return position{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1}
}

// documentAt is the number of the document at an offset.
func documentAt(data []byte, offset int) (n int) {
	for _, c := range chunksOf(data) {
		if !c.isBlank() {
			n++
		}
		if offset -= len(c.text); offset < 0 {
			break
		}
	}
	return max(n, 1)
}
