// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

// blocks reads the fenced blocks of the README and of the guides.
func blocks(t *testing.T) []rules.Block {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []rules.Block
	for _, page := range append([]string{filepath.Join(root, "README.md")}, pages...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, page)
		if err != nil {
			t.Fatal(err)
		}
		found, err := rules.Blocks(filepath.ToSlash(rel), string(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// TestSnippets compiles every Go block of the README and of the guides.
func TestSnippets(t *testing.T) {
	files(t)
	g, err := rules.LoadGraph(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	names := rules.Names(g)
	var sources []string
	for _, block := range blocks(t) {
		if block.Lang != "go" {
			continue
		}
		source, err := rules.Wrap(block, names)
		if err != nil {
			t.Error(err)
			continue
		}
		if strings.Contains(source, `"`+g.Module+"/internal/") {
			t.Errorf("%s:%d: imports an internal package, which no reader can", block.Page, block.Line)
		}
		sources = append(sources, source)
	}
	t.Logf("%d Go blocks", len(sources))
	if err := rules.BuildSources(t.Context(), root, t.TempDir(), sources); err != nil {
		t.Error(err)
	}
}

// TestCommands looks up what the shell blocks of the README and of the guides start.
func TestCommands(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(root, "examples"))
	noExamples := os.IsNotExist(err)
	targets := rules.Targets(string(makefile))
	for _, block := range blocks(t) {
		if block.Lang != "sh" {
			continue
		}
		for _, command := range block.Commands() {
			problem := rules.CheckCommand(root, command, targets)
			if problem == "" {
				continue
			}
			if noExamples && strings.Contains(command, " ./examples/") {
				t.Logf("%s:%d: %s: the tree has no examples at all", block.Page, block.Line, problem)
				continue
			}
			t.Errorf("%s:%d: %s", block.Page, block.Line, problem)
		}
	}
}

const page = "# Title\n\n" +
	"```sh\n$ go run ./internal/rules/smoke -x # comment\nmake test lint FUZZTIME=1s && echo\n# no\n```\n\n" +
	"<!-- given: req *http.Request -->\n```go\nclient := &http.Client{}\n```\n\n" +
	"1. Item\n\n   ```go title\n   type T struct{}\n   ```\n\n" +
	"````yaml\nkind: X\n```\n````\n"

func TestBlocks(t *testing.T) {
	got, err := rules.Blocks("page.md", page)
	if err != nil {
		t.Fatal(err)
	}
	want := []rules.Block{
		{Page: "page.md", Line: 4, Lang: "sh", Text: "$ go run ./internal/rules/smoke -x # comment\nmake test lint FUZZTIME=1s && echo\n# no\n"},
		{Page: "page.md", Line: 11, Lang: "go", Given: "req *http.Request", Text: "client := &http.Client{}\n"},
		{Page: "page.md", Line: 17, Lang: "go", Text: "type T struct{}\n"},
		{Page: "page.md", Line: 21, Lang: "yaml", Text: "kind: X\n```\n"},
	}
	if len(got) != len(want) {
		t.Fatalf("got %d blocks, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("block %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
	if _, err := rules.Blocks("page.md", "text\n```go\nx := 1\n"); err == nil || !strings.Contains(err.Error(), "page.md:2") {
		t.Errorf("open fence: got error %v, want one that names page.md:2", err)
	}
}

func TestCheckCommand(t *testing.T) {
	targets := rules.Targets(".PHONY: all\nall: test ## x\ntest:\n\techo a:\nNAME := x\nbin/%: y\n")
	tests := []struct{ command, want string }{
		{"make", ""},
		{"make test", ""},
		{"make all test FUZZTIME=60s -j2", ""},
		{"make test nothing", `"make test nothing": the Makefile has no target nothing`},
		{"go run .", ""},
		{"go run -race ./smoke -x", ""},
		{"go run ./nothing", `"go run ./nothing": no Go program in ./nothing`},
		{"go run ./testdata", `"go run ./testdata": no Go program in ./testdata`},
		{"go run example.org/x@v1.0.0", ""},
		{"go test ./nothing", ""},
		{"curl http://127.0.0.1/", ""},
	}
	for _, tt := range tests {
		if got := rules.CheckCommand(".", tt.command, targets); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.command, got, tt.want)
		}
	}
	got, err := rules.Blocks("page.md", page)
	if err != nil {
		t.Fatal(err)
	}
	if commands := strings.Join(got[0].Commands(), "|"); commands != "go run ./internal/rules/smoke -x|make test lint FUZZTIME=1s" {
		t.Errorf("commands: got %q", commands)
	}
}

// Blocks of each form are compiled for real, in one build.
func TestWrap_compiles(t *testing.T) {
	names := map[string]string{"http": "net/http", "fmt": "fmt", "context": "context", "enmesh": "github.com/enmesh-go/enmesh"}
	texts := []rules.Block{
		{Text: "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n"},
		{Text: "// A file of a library.\npackage shop\n"},
		{Text: "type T struct{ c *http.Client }\n\nfunc (t T) String() string { return fmt.Sprint(t.c) }\n"},
		{Text: "client := &http.Client{}\nvar n, m int\nconst k = 1\n"},
		{Text: "res, err := http.DefaultClient.Do(req.WithContext(ctx))\nif err != nil {\n\treturn err\n}\n", Given: "req *http.Request"},
	}
	var sources []string
	for _, block := range texts {
		block.Page, block.Line = "page.md", 7
		source, err := rules.Wrap(block, names)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, source)
	}
	if err := rules.BuildSources(t.Context(), root, t.TempDir(), sources); err != nil {
		t.Error(err)
	}
}

func TestWrap_refuses(t *testing.T) {
	names := map[string]string{"http": "net/http"}
	tests := []struct{ name, text, want string }{
		{"no Go", "a few words\n", "page.md:7: neither a file, nor declarations, nor statements"},
		{"loose braces", "}\n\nfunc f() {\n", "page.md:7: neither a file, nor declarations, nor statements"},
		{"imports without package", "import \"fmt\"\n\nvar x = fmt.Sprint()\n", "page.md:7: has imports and no package clause"},
		{"unknown package", "x := nothing.New()\n", "page.md:7"},
		{"unknown name", "\nx := http.NoSuchName\n", "page.md:8"},
		{"whole program", "package main\n\nfunc main() { missing() }\n", "page.md:9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source, err := rules.Wrap(rules.Block{Page: "page.md", Line: 7, Lang: "go", Text: tt.text}, names)
			if err == nil {
				err = rules.BuildSources(t.Context(), root, t.TempDir(), []string{source})
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
