// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A name of a test that nobody has matches nothing, and go test says that all is well.
func TestMakefile_namesTestsThatThereAre(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(string(makefile), -1)
	if len(named) < 10 {
		t.Errorf("the Makefile names %d tests, want those that the race detector makes smaller", len(named))
	}
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, f := range files {
		for _, decl := range f.AST.Decls {
			if fn, is := decl.(*ast.FuncDecl); is && f.Test() && fn.Recv == nil {
				have = append(have, fn.Name.Name)
			}
		}
	}
	for _, name := range named {
		// A group is named by what its names begin with.
		if !slices.ContainsFunc(have, func(fn string) bool { return fn == name || strings.HasPrefix(fn, name+"_") }) {
			t.Errorf("the Makefile names %s, which no package has", name)
		}
	}
}
