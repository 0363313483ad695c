// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// carried is the example's policies, for a program that was built and moved away from
// its source.
//
//go:embed policies
var carried embed.FS

// policiesDir is the directory of -policies, or the example's own: beside the source,
// else below the working directory, else a copy in a temporary directory, which remove
// removes.
func policiesDir(given string) (dir string, remove func(), err error) {
	keep := func() {}
	if given != "" {
		info, err := os.Stat(given)
		switch {
		case err != nil:
			return "", keep, fmt.Errorf("-policies: %w", err)
		case !info.IsDir():
			return "", keep, fmt.Errorf("-policies: %s is not a directory", given)
		}
		return given, keep, nil
	}
	beside := ""
	if _, source, _, ok := runtime.Caller(0); ok {
		beside = filepath.Join(filepath.Dir(source), "policies")
	}
	for _, dir := range []string{beside, filepath.Join("examples", "bookinfo", "policies")} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, keep, nil
		}
	}
	return unpack()
}

// unpack writes the carried policies to a temporary directory.
func unpack() (dir string, remove func(), err error) {
	root, err := os.MkdirTemp("", "bookinfo-")
	if err != nil {
		return "", func() {}, err
	}
	remove = func() { _ = os.RemoveAll(root) }
	dir = filepath.Join(root, "policies")
	sub, err := fs.Sub(carried, "policies")
	if err == nil {
		err = os.CopyFS(dir, sub)
	}
	if err != nil {
		remove()
		return "", func() {}, err
	}
	return dir, remove, nil
}
