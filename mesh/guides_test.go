// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/discovery/file"
	"github.com/enmesh-go/enmesh/internal/rules"
	"github.com/enmesh-go/enmesh/policy"
)

// TestGuides_yamlLoads reads every YAML block of the README and the guides: policy as
// reviews.yaml, lists of services as services.yaml. What a load has to say, be it a
// mistake or a field that is not plainly enforced, must stand on the page word for
// word.
func TestGuides_yamlLoads(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	policies, services := 0, 0
	for _, page := range append(pages, filepath.Join("..", "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := rules.Blocks(filepath.Base(page), string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if b.Lang != "yaml" {
				continue
			}
			var said []string
			switch {
			case strings.Contains(b.Text, "apiVersion:"):
				said = sayings(b.Text)
				policies++
			case strings.Contains(b.Text, "services:"):
				if _, err := file.Parse("services.yaml", []byte(b.Text)); err != nil {
					said = strings.Split(err.Error(), "\n")
				}
				services++
			default:
				t.Errorf("%s:%d: neither policy nor services", b.Page, b.Line)
			}
			for _, line := range said {
				if !strings.Contains(string(text), "\n"+line+"\n") {
					t.Errorf("%s:%d: the page does not say what loading the block does:\n%s", b.Page, b.Line, line)
				}
			}
		}
	}
	if policies < 3 || services < 1 {
		t.Errorf("read %d blocks of policy and %d of services: too few", policies, services)
	}
}

// sayings is what loading a policy file says to productpage, line by line.
func sayings(text string) []string {
	l := policy.Loader{Labels: map[string]string{"app": "productpage"}}
	s, err := l.Parse([]policy.File{{Name: "reviews.yaml", Data: []byte(text)}})
	var refused *policy.Error
	if errors.As(err, &refused) {
		return strings.Split(refused.Error(), "\n")
	}
	if err != nil {
		return []string{err.Error()}
	}
	var said []string
	for _, f := range s.Notes() {
		said = append(said, f.String())
	}
	return said
}
