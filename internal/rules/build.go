// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildSources compiles files as packages of the module in root, each a package of its
// own, with one run of the go command. Nothing is written into the module: the files
// are laid over it from the directory scratch. The error holds what the compiler said.
func BuildSources(ctx context.Context, root, scratch string, sources []string) error {
	if len(sources) == 0 {
		return nil
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return fmt.Errorf("rules: build blocks: %w", err)
	}
	overlay, err := layOver(root, scratch, sources)
	if err != nil {
		return fmt.Errorf("rules: build blocks: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", os.DevNull, "./"+overlaid+"/...")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rules: build blocks: %w\n%s", err, out)
	}
	return nil
}

// overlaid is the directory of the module in which the sources seem to lie.
const overlaid = "snippets"

// layOver writes the sources into scratch, and beside them the file that tells the go
// command where in the module they are to be seen; it returns that file's name.
func layOver(root, scratch string, sources []string) (string, error) {
	replace := map[string]string{}
	for i, source := range sources {
		file := filepath.Join(scratch, fmt.Sprintf("%03d.go", i))
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, overlaid, fmt.Sprintf("s%03d", i), "snippet.go")] = file
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(scratch, "overlay.json")
	return name, os.WriteFile(name, text, 0o600)
}
