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
		"b.yaml:1:1: VirtualService \"\" (document 1): apiVersion: the version is missing: write apiVersion: networking.istio.io/v1",
		"b.yaml:3:1: document 2: kind: the kind is missing: write kind: VirtualService or kind: DestinationRule",
		"a.yaml:1:1: document 1: a document is a mapping with apiVersion, kind, metadata and spec, not a list",
		"a.yaml:4: document 2: not valid YAML: did not find expected node content",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Every problem has its file, line, column, document and field, as far as they are known:
// a mistake of syntax stands in no field, and has a column only where it can be found again.
func TestProblem_places(t *testing.T) {
	const good = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n"
	for name, tt := range map[string]struct {
		text string
		want policy.Place
	}{
		"a field":                       {good + "---\n" + strings.Replace(good, "{host: a}", "{host: [a]}", 1), policy.Place{Line: 9, Column: 57, Document: 2, Kind: "VirtualService", Name: "a", Field: "spec.http[0].route[0].destination.host"}},
		"an unknown field":              {good + "---\n" + good + "status: {}\nspeck: {}\n", policy.Place{Line: 11, Column: 1, Document: 2, Kind: "VirtualService", Name: "a", Field: "speck"}},
		"no version":                    {good + "---\n# comment\nkind: Gateway\n", policy.Place{Line: 7, Column: 1, Document: 2, Kind: "Gateway", Field: "apiVersion"}},
		"no kind":                       {good + "---\napiVersion: networking.istio.io/v1\nspec: {}\n", policy.Place{Line: 6, Column: 1, Document: 2, Field: "kind"}},
		"no name":                       {"apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n", policy.Place{Line: 1, Column: 1, Document: 1, Kind: "VirtualService", Field: "metadata.name"}},
		"no mapping":                    {good + "---\n\n   just text\n", policy.Place{Line: 7, Column: 4, Document: 2}},
		"an item that is no mapping":    {"apiVersion: v1\nkind: List\nitems:\n- 5\n", policy.Place{Line: 4, Column: 3, Document: 1}},
		"a blank document before":       {"---\n# nothing\n---\n- 1\n", policy.Place{Line: 4, Column: 1, Document: 1}},
		"not closed":                    {good + "---\nmetadata: {name: a\nspec: {}\n", policy.Place{Line: 6, Document: 2}},
		"a tab":                         {good + "---\nspec:\n\thosts: [a]\n", policy.Place{Line: 7, Column: 1, Document: 2}},
		"another character":             {good + "---\nspec:\n  \u00e4: @\u00e4\n", policy.Place{Line: 7, Column: 6, Document: 2}},
		"one of two characters":         {good + "---\nspec:\n  a: @a@b\n", policy.Place{Line: 7, Document: 2}},
		"an alias of nothing":           {good + "---\nspec: {hosts: [*nobody]}\n", policy.Place{Line: 6, Column: 16, Document: 2}},
		"two aliases of nothing":        {good + "---\nspec: {hosts: [*nobody, *nobody]}\n", policy.Place{Line: 5, Document: 2}},
		"a control character":           {good + "---\nspec: {hosts: [\"\u00e4\x01\"]}\n", policy.Place{Line: 6, Column: 18, Document: 2}},
		"not UTF-8":                     {good + "---\n---\nspec: {hosts: [\u00e4\xff]}\n", policy.Place{Line: 7, Column: 17, Document: 2}},
		"not UTF-8 after lines of DOS":  {strings.ReplaceAll(good, "\n", "\r\n") + "a: \xff", policy.Place{Line: 5, Column: 4, Document: 1}},
		"not UTF-8 after lines of Macs": {strings.ReplaceAll(good, "\n", "\r") + "---\ra: \xff", policy.Place{Line: 6, Column: 4, Document: 2}},
		"not UTF-8 at the beginning":    {"\xff", policy.Place{Line: 1, Column: 1, Document: 1}},
		"too large":                     {strings.Repeat("# much\n", 700_000), policy.Place{}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Parse([]policy.File{{Name: "x.yaml", Data: []byte(tt.text)}})
			var e *policy.Error
			if !errors.As(err, &e) || len(e.Problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			tt.want.File = "x.yaml"
			if got := e.Problems[0].Place; got != tt.want {
				t.Errorf("got %+v, want %+v (%v)", got, tt.want, err)
			}
		})
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
