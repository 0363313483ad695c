// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"io"
	"strings"
)

// group is flags that belong together, in their order.
type group struct {
	title string
	names string // separated by spaces
}

// grouped prints a command's flags group by group.
func grouped(set *flag.FlagSet, synopsis, text string, groups []group) {
	set.Usage = func() {
		w := set.Output()
		say(w, "usage: enmesh %s %s\n\n%s\n", set.Name(), synopsis, text)
		for _, g := range groups {
			say(w, "\n%s:\n", g.title)
			for name := range fields(g.names) {
				line(w, set.Lookup(name))
			}
		}
	}
}

// line prints one flag.
func line(w io.Writer, f *flag.Flag) {
	kind, text := flag.UnquoteUsage(f)
	if kind != "" {
		kind = " " + kind
	}
	switch f.DefValue {
	case "", "0", "0s", "false":
	default:
		text += " (default " + f.DefValue + ")"
	}
	say(w, "  -%s%s\n        %s\n", f.Name, kind, strings.ReplaceAll(text, "\n", "\n        "))
}
