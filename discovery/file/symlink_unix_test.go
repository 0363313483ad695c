// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A volume as Kubernetes writes it: the name links through ..data, which is
// swapped, and the old directory is removed.
func TestResolver_followsASymlinkSwap(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("directory=%t", whole), func(t *testing.T) {
			root := t.TempDir()
			version := func(name, text string) {
				t.Helper()
				if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
					t.Fatal(err)
				}
				put(t, filepath.Join(root, name, "s.yaml"), text)
				if err := os.Symlink(name, filepath.Join(root, "..tmp")); err != nil {
					t.Fatal(err)
				}
				rename(t, filepath.Join(root, "..tmp"), filepath.Join(root, "..data"))
			}
			version("one", services("h:1"))
			if err := os.Symlink(filepath.Join("..data", "s.yaml"), filepath.Join(root, "s.yaml")); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(root, "s.yaml")
			if whole {
				path = root
			}
			w := watch(t, open(t, path, fast), "a")
			w.want(t, "h:1")
			for i, name := range []string{"two", "three"} {
				addr := fmt.Sprintf("h:%d", i+2)
				version(name, services(addr))
				if err := os.RemoveAll(filepath.Join(root, "one")); err != nil {
					t.Fatal(err)
				}
				w.want(t, addr)
			}
			overwrite(t, filepath.Join(root, "three", "s.yaml"), services("h:9")) // behind the link
			w.want(t, "h:9")
		})
	}
}
