// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

func TestCorpora(t *testing.T) { report(t, rules.CheckCorpora(root, files(t))) }

func TestCheckCorpora_namesTargets(t *testing.T) {
	tree := t.TempDir()
	full := filepath.Join(tree, "p", "testdata", "fuzz", "FuzzFull")
	empty := filepath.Join(tree, "p", "testdata", "fuzz", "FuzzEmpty")
	for _, dir := range []string{full, empty} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(full, "one"), []byte("go test fuzz v1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := rules.CheckCorpora(tree, []*rules.File{
		file(t, "p/fuzz.go", "package p\n\nfunc FuzzNot() {}\n"),
		file(t, "p/fuzz_test.go", "package p\n\nfunc FuzzFull() {}\n\nfunc FuzzEmpty() {}\n\nfunc FuzzNone() {}\n\nfunc (T) FuzzMethod() {}\n"),
	})
	wantProblems(t, got, []string{
		"p/fuzz_test.go:5: FuzzEmpty has no inputs in p/testdata/fuzz/FuzzEmpty",
		"p/fuzz_test.go:7: FuzzNone has no inputs in p/testdata/fuzz/FuzzNone",
	})
}
