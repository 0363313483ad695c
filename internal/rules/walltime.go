// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// monotonicTrees are where elapsed time alone counts: a jump of the wall clock is not to
// open or trip a breaker, fill a bucket, or end an ejection.
var monotonicTrees = []string{"resilience/", "limit/", "balance/outlier/"}

// WallTime are the places there that may read a wall clock, by file and what is read, each
// with its reason. A row that is not needed is itself a problem.
var WallTime = map[string]string{
	"limit/window.go UnixNano":            "once, of the clock at the start: windows are aligned to it, and jumps after that do not move them",
	"limit/rls/limiter.go time.Now":       "for a difference of two readings, which is monotonic",
	"resilience/timeout/term.go time.Now": "to be compared with a deadline, which is monotonic",
}

// wallReads are the functions of package time that read or make a wall time. time.Since and
// time.Until go by the monotonic reading of what they are given, which what they are given
// has unless one of these made it.
var wallReads = []string{"Now", "Date", "Unix", "UnixMilli", "UnixMicro", "Parse", "ParseInLocation"}

// wallLooks are the methods that look at a time's wall reading.
var wallLooks = []string{
	"Unix", "UnixMilli", "UnixMicro", "UnixNano", "Weekday", "YearDay", "Zone",
}

// CheckWallTime returns one line for each use of a wall clock where elapsed time alone
// counts, but for those of the table of exceptions, and one for each exception that is not
// needed.
func CheckWallTime(files []*File, except map[string]string) []string {
	var problems []string
	unused := maps.Clone(except)
	for _, f := range files {
		if f.Test() || !slices.ContainsFunc(monotonicTrees, func(tree string) bool { return strings.HasPrefix(f.Path, tree) }) {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			read := f.wallRead(n)
			if read == "" {
				return true
			}
			key := f.Path + " " + read
			delete(unused, key)
			if except[key] == "" {
				problems = append(problems, fmt.Sprintf("%s:%d: %s reads a wall clock, which may jump: use enmesh.Now", f.Path, f.line(n.Pos()), read))
			}
			return true
		})
	}
	for _, key := range slices.Sorted(maps.Keys(unused)) {
		problems = append(problems, key+": is in rules.WallTime and need not be")
	}
	return problems
}

// wallRead is what a node reads of a wall clock; "": nothing.
func (f *File) wallRead(n ast.Node) string {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "time" {
		if slices.Contains(wallReads, s.Sel.Name) {
			return "time." + s.Sel.Name
		}
		return ""
	}
	if slices.Contains(wallLooks, s.Sel.Name) {
		return s.Sel.Name
	}
	return ""
}
