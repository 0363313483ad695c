// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// Package is one node of the import graph, as the go command lists it.
type Package struct {
	ImportPath string
	Name       string
	Dir        string
	Standard   bool
	Imports    []string
}

// Graph is everything that a module's packages import, directly or not.
type Graph struct {
	Module   string
	Packages map[string]*Package
}

// LoadGraph lists the packages of the module in dir with all their dependencies, test
// files left out, as they are built on this platform. It fails when the go command
// does, for example on a file that does not parse.
func LoadGraph(ctx context.Context, dir string) (*Graph, error) {
	module, err := goList(ctx, dir, "-m")
	if err != nil {
		return nil, err
	}
	out, err := goList(ctx, dir, "-deps", "-test=false", "-json=ImportPath,Name,Dir,Standard,Imports", "./...")
	if err != nil {
		return nil, err
	}
	g := &Graph{Module: strings.TrimSpace(string(module)), Packages: map[string]*Package{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(Package)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("rules: go list: %w", err)
		}
		g.Packages[p.ImportPath] = p
	}
}

// goList runs go list in dir and returns what it printed.
func goList(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("rules: %s: %w: %s", cmd, err, stderr.Bytes())
	}
	return out, nil
}

// Own returns the module's own packages by their path below the module, "." being its
// root, in order.
func (g *Graph) Own() []string {
	var own []string
	for path := range g.Packages {
		if rel, ok := g.rel(path); ok {
			own = append(own, rel)
		}
	}
	slices.Sort(own)
	return own
}

// rel is the path of a package below the module, or false for a package of others.
func (g *Graph) rel(path string) (string, bool) {
	if path == g.Module {
		return ".", true
	}
	return strings.CutPrefix(path, g.Module+"/")
}

// at returns the package at a path below the module.
func (g *Graph) at(rel string) *Package {
	if rel == "." {
		return g.Packages[g.Module]
	}
	return g.Packages[g.Module+"/"+rel]
}

// short names a package in messages: below the module for one of ours.
func (g *Graph) short(path string) string {
	if rel, ok := g.rel(path); ok && rel != "." {
		return rel
	}
	return path
}

// reach finds the shortest way along imports from one package to the first that match
// accepts, both ends included; nil when there is none. It does not look behind
// packages of the standard library.
func (g *Graph) reach(from string, match func(path string) bool) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		p := g.Packages[queue[0]]
		if p == nil || p.Standard {
			continue
		}
		for _, path := range p.Imports {
			if _, seen := before[path]; seen {
				continue
			}
			before[path] = p.ImportPath
			if match(path) {
				return trail(before, path)
			}
			queue = append(queue, path)
		}
	}
	return nil
}

// trail follows before from the end of a way back to its start.
func trail(before map[string]string, end string) []string {
	var way []string
	for at := end; at != ""; at = before[at] {
		way = append(way, at)
	}
	slices.Reverse(way)
	return way
}
