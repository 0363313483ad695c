// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// CheckCorpora returns one line for each fuzz target below root without inputs of its own
// in testdata/fuzz, from which a fuzzer starts and which every plain test run repeats.
func CheckCorpora(root string, files []*File) []string {
	var problems []string
	for _, f := range files {
		if !f.Test() {
			continue
		}
		for _, decl := range f.AST.Decls {
			target, ok := decl.(*ast.FuncDecl)
			if !ok || target.Recv != nil || !strings.HasPrefix(target.Name.Name, "Fuzz") {
				continue
			}
			corpus := path.Join(f.Dir(), "testdata", "fuzz", target.Name.Name)
			if inputs, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(corpus))); err != nil || len(inputs) == 0 {
				problems = append(problems, fmt.Sprintf("%s:%d: %s has no inputs in %s", f.Path, f.line(target.Pos()), target.Name.Name, corpus))
			}
		}
	}
	return problems
}
