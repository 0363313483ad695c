// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// CheckLeaks returns one line for each package with tests whose TestMain, if it has one,
// does not look for goroutines that the tests left behind.
func CheckLeaks(files []*File) []string {
	checked := map[string]bool{}
	for _, f := range files {
		if f.Test() {
			checked[f.Dir()] = checked[f.Dir()] || f.looksForLeaks()
		}
	}
	var problems []string
	for _, dir := range slices.Sorted(maps.Keys(checked)) {
		if !checked[dir] {
			problems = append(problems, dir+": has tests and no TestMain that calls goleak.VerifyTestMain")
		}
	}
	return problems
}

// looksForLeaks reports whether the file has such a TestMain.
func (f *File) looksForLeaks() bool {
	return slices.ContainsFunc(f.AST.Decls, func(decl ast.Decl) bool {
		fn, is := decl.(*ast.FuncDecl)
		return is && fn.Recv == nil && fn.Name.Name == "TestMain" && strings.Contains(f.text(fn), "goleak.VerifyTestMain(m")
	})
}
