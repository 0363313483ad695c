// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"
	"os"
	"strings"
)

// Screen shows one Frame after the other: in the same place on a terminal, one below
// the other elsewhere.
type Screen struct {
	out  io.Writer
	ansi bool
}

// The sequences of ECMA-48 that a terminal understands.
const (
	home       = "\x1b[H"
	eraseLine  = "\x1b[K"
	eraseBelow = "\x1b[J"
	clearAll   = "\x1b[2J"
)

// NewScreen makes a Screen on out; it uses ANSI sequences only when out is a terminal
// that knows them.
func NewScreen(out io.Writer) *Screen {
	s := &Screen{out: out, ansi: terminal(out)}
	if s.ansi {
		_, _ = io.WriteString(out, clearAll) // as below
	}
	return s
}

// terminal reports whether out is one, and not a dumb one.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Show shows f.
func (s *Screen) Show(f Frame) {
	text := f.String()
	if s.ansi {
		text = home + strings.ReplaceAll(text, "\n", eraseLine+"\n") + eraseBelow
	} else {
		text += "\n"
	}
	_, _ = io.WriteString(s.out, text) // a table that cannot be shown stops no service
}
