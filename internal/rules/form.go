// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// MaxLines is how long a file may be, tests and generated files aside.
const MaxLines = 450

// LongFiles are the files that may be longer than [MaxLines], each with its reason. A
// row whose file is gone, or short again, is itself a problem.
var LongFiles = map[string]string{}

// header is how every Go file begins.
const header = "// Copyright 2026 The enmesh Authors\n// SPDX-License-Identifier: Apache-2.0\n"

// CheckHeaders returns one line for each file that does not begin with the licence
// header, or where the header runs on into the package comment.
func CheckHeaders(files []*File) []string {
	var problems []string
	for _, f := range files {
		rest, ok := bytes.CutPrefix(f.Source, []byte(header))
		switch {
		case !ok:
			problems = append(problems, f.Path+":1: does not begin with the licence header")
		case !bytes.HasPrefix(rest, []byte("\n")) && !bytes.HasPrefix(rest, []byte("//\n")):
			problems = append(problems, f.Path+":3: no empty line after the licence header")
		}
	}
	return problems
}

// CheckLength returns one line for each file longer than [MaxLines], but for those of
// the table of exceptions, and one for each exception that is not needed.
func CheckLength(files []*File, except map[string]string) []string {
	var problems []string
	unused := maps.Clone(except)
	for _, f := range files {
		if f.Test() || f.Generated() || f.Lines() <= MaxLines {
			continue
		}
		if except[f.Path] == "" {
			problems = append(problems, fmt.Sprintf("%s: %d lines, more than %d: split it by noun", f.Path, f.Lines(), MaxLines))
		}
		delete(unused, f.Path)
	}
	for _, name := range slices.Sorted(maps.Keys(unused)) {
		problems = append(problems, name+": is in rules.LongFiles and need not be")
	}
	return problems
}
