// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/policy"
)

// samplesVariable names a folder of Istio documents to load besides the project's
// own.
const samplesVariable = "ENMESH_ISTIO_SAMPLES"

// Every document in the folder loads, or is refused for the reason that stands in
// testdata/refused-samples.txt.
func TestSamples(t *testing.T) {
	dir := os.Getenv(samplesVariable)
	if dir == "" {
		dir = filepath.Join("testdata", "documents")
		t.Logf("%s is not set: loading the project's own documents only", samplesVariable)
	}
	reasons := refusedSamples(t)
	var files, documents, rules int
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		ext := filepath.Ext(name)
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, ext) && (ext != ".json" || !isObject(name)) {
			return err
		}
		files++
		s, err := policy.Load(name)
		why, refused := reasons[filepath.Base(name)]
		switch {
		case err == nil && refused:
			t.Errorf("%s loads, want it refused: %s", name, why)
		case err != nil && !refused:
			t.Errorf("got %v", err)
		case err != nil && !strings.Contains(err.Error(), why):
			t.Errorf("got %v, want it refused for %q", err, why)
		case err == nil:
			documents += len(s.Documents)
			rules += countRules(s)
			everyFindingIsPlaced(t, s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("read %d documents in %d files, %d of them VirtualServices and DestinationRules", documents, files, rules)
	if documents == 0 {
		t.Error("got no documents")
	}
}

// isObject reports whether a JSON file holds a document: sets of keys may stand
// beside them.
func isObject(name string) bool {
	data, err := os.ReadFile(name)
	return err == nil && strings.Contains(string(data), `"apiVersion"`)
}

func countRules(s *policy.Snapshot) (n int) {
	for _, d := range s.Documents {
		if d.Kind == "VirtualService" || d.Kind == "DestinationRule" {
			n++
		}
	}
	return n
}

// everyFindingIsPlaced holds that each finding says where and, unless the field is
// simply enforced, why; and that each document of a kind that is enforced has one.
func everyFindingIsPlaced(t *testing.T, s *policy.Snapshot) {
	t.Helper()
	seen := map[int]bool{}
	for _, f := range s.Findings {
		seen[f.Document] = true
		if f.Line == 0 || f.Column == 0 || f.Document == 0 || f.Kind == "" || f.Verdict != policy.Enforced && f.Message == "" {
			t.Errorf("got finding %v, want its place and reason", f)
		}
	}
	for _, d := range s.Documents {
		if !seen[d.Document] {
			t.Errorf("got no finding on %v", d.Place)
		}
	}
}

// refusedSamples is the reason by file name.
func refusedSamples(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "refused-samples.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	reasons := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, why, ok := strings.Cut(lines.Text(), ": "); ok && !strings.HasPrefix(name, "#") {
			reasons[name] = why
		}
	}
	return reasons
}
