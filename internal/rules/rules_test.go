// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

// root is the root of the module, seen from this package.
var root = filepath.Join("..", "..")

// tree reads the module's files once for all tests. A test over the go command's own
// reading of the tree calls it too: go test then knows which files its cached result
// depends on.
var tree = sync.OnceValues(func() ([]*rules.File, error) { return rules.LoadFiles(root) })

func files(t *testing.T) []*rules.File {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("no Go files below %s", root)
	}
	return all
}

// file makes a File of source text.
func file(t *testing.T, path, source string) *rules.File {
	t.Helper()
	fset := token.NewFileSet()
	ast, err := parser.ParseFile(fset, path, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return &rules.File{Path: path, Source: []byte(source), AST: ast, Fset: fset}
}

func report(t *testing.T, problems []string) {
	t.Helper()
	for _, problem := range problems {
		t.Error(problem)
	}
}

// wantProblems compares problems with what they should say, in any order.
func wantProblems(t *testing.T, got, want []string) {
	t.Helper()
	for _, problem := range got {
		if !slices.Contains(want, problem) {
			t.Errorf("unexpected problem:\n got %s\nwant one of %s", problem, strings.Join(want, "\n            "))
		}
	}
	for _, problem := range want {
		if !slices.Contains(got, problem) {
			t.Errorf("missing problem %q", problem)
		}
	}
}
