// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
)

// policyFiles are Istio's documents for the stacks of enmesh: the destination, and a
// file of routes for each variant of the chain.
//
//go:embed policies/*.yaml
var policyFiles embed.FS

const policyDir = "policies"

// writePolicies puts the policy files where the processes of the run find them.
func (e Env) writePolicies() error {
	return os.CopyFS(e.Dir, fs.FS(policyFiles))
}

// policies is the files of the chain whose routes are named.
func (e Env) policies(routes string) []string {
	return []string{
		filepath.Join(e.Dir, policyDir, "destination.yaml"),
		filepath.Join(e.Dir, policyDir, routes+".yaml"),
	}
}
