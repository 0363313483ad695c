// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is a policy file in memory. It may hold several documents.
type File struct {
	Name string // for messages
	Data []byte // YAML or JSON, at most 4 MiB
}

// suffixes is what a file in a directory must end with to be read.
var suffixes = []string{".yaml", ".yml", ".json"}

// readFiles reads what paths name: a file, or the files of a directory whose names
// end in .yaml, .yml or .json, sorted, hidden ones and subdirectories left out.
func readFiles(paths []string) ([]File, error) {
	names, err := expand(paths)
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(names))
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		files = append(files, File{name, data})
	}
	return files, nil
}

// readFile reads a little more than is allowed at most: enough to refuse it.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return make([]byte, maxFileBytes+1), nil
	}
	return os.ReadFile(name)
}

// expand is the names of the files that paths stand for, each once.
func expand(paths []string) ([]string, error) {
	var names []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		if !info.IsDir() {
			names = append(names, path)
			continue
		}
		inside, err := filesOf(path)
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		names = append(names, inside...)
	}
	seen := map[string]bool{}
	names = slices.DeleteFunc(names, func(name string) bool {
		twice := seen[name]
		seen[name] = true
		return twice
	})
	if len(names) > maxFiles {
		return nil, fmt.Errorf("policy: %d files, more than %d", len(names), maxFiles)
	}
	return names, nil
}

// filesOf is the policy files of a directory, sorted by name.
func filesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		if !isPolicyFile(entry.Name()) {
			continue
		}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

func isPolicyFile(base string) bool {
	return !strings.HasPrefix(base, ".") && slices.Contains(suffixes, strings.ToLower(filepath.Ext(base)))
}

// versionOf is a short hash of the names and contents of files.
func versionOf(files []File) string {
	h := sha256.New()
	for _, f := range files {
		_, _ = fmt.Fprintf(h, "%d:%s%d:", len(f.Name), f.Name, len(f.Data)) // a hash takes all
		_, _ = h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// inOrder sorts documents as they go before one another where they say different
// things: by file, then by name and namespace, then as they stand in the file. Istio
// goes by creation time first, which files do not have.
func inOrder(docs []*document) {
	slices.SortStableFunc(docs, func(a, b *document) int {
		return cmp.Or(
			cmp.Compare(a.fileIndex, b.fileIndex),
			cmp.Compare(a.name, b.name),
			cmp.Compare(a.namespace, b.namespace),
		)
	})
}
