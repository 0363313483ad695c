// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each file in testdata/refused is refused with the text beside it: file, line,
// column, document, kind, name, field, and what to do.
func TestLoad_refusals(t *testing.T) {
	files, err := filepath.Glob("testdata/refused/*.*")
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for _, name := range files {
		if strings.HasSuffix(name, ".txt") {
			continue
		}
		tested++
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := policy.Parse([]policy.File{{Name: filepath.Base(name), Data: data}})
			if err == nil {
				t.Fatalf("got %d documents, want an error", len(s.Documents))
			}
			golden := name + ".txt"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
	if tested < 10 {
		t.Errorf("got %d files, want at least 10", tested)
	}
}

// All mistakes are reported together, those of several files in their order.
func TestParse_reportsEveryMistake(t *testing.T) {
	_, err := policy.Parse([]policy.File{
		{"b.yaml", []byte("kind: VirtualService\n---\napiVersion: v1\n")},
		{"a.yaml", []byte("- 1\n---\n{\n")},
	})
	var e *policy.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	var got []string
	for _, p := range e.Problems {
		got = append(got, p.String())
	}
	want := []string{
		"b.yaml:1:1: VirtualService \"\" (document 1): apiVersion is missing: write apiVersion: networking.istio.io/v1",
		"b.yaml:3:1: kind is missing: write kind: VirtualService or kind: DestinationRule",
		"a.yaml:1:1: a document is a mapping with apiVersion, kind, metadata and spec, not a list",
		"a.yaml:4: not valid YAML: did not find expected node content",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestError_isBounded(t *testing.T) {
	_, err := policy.Parse([]policy.File{{"many.yaml", []byte(strings.Repeat("---\n- 1\n", 200))}})
	var e *policy.Error
	if !errors.As(err, &e) || len(e.Problems) != 50 || e.More != 150 {
		t.Fatalf("got %d problems and %d more, want 50 and 150", len(e.Problems), e.More)
	}
	if !strings.HasSuffix(err.Error(), "\npolicy: and 150 more") {
		t.Errorf("got an error that ends %q", err.Error()[len(err.Error())-40:])
	}
}
