// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// File is one Go file of the tree.
type File struct {
	Path   string // slash separated, below the root of the tree
	Source []byte
	AST    *ast.File
	Fset   *token.FileSet
}

// LoadFiles reads and parses every Go file below root, nested modules included, and
// leaves out testdata, node_modules and directories whose name begins with a dot or an
// underscore, as the go command does, and bin, where built programs lie.
func LoadFiles(root string) ([]*File, error) {
	var files []*File
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && skipped(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		f, err := loadFile(fset, root, name)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rules: read the tree: %w", err)
	}
	return files, nil
}

// skipped reports whether a directory of that name holds no source of ours.
func skipped(name string) bool {
	return name == "testdata" || name == "node_modules" || name == "bin" ||
		strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func loadFile(fset *token.FileSet, root, name string) (*File, error) {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseFile(fset, filepath.ToSlash(rel), source)
}

func parseFile(fset *token.FileSet, name string, source []byte) (*File, error) {
	tree, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{Path: name, Source: source, AST: tree, Fset: fset}, nil
}

// Dir is the directory of the file, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test reports whether it is a test file.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Generated reports whether a program wrote it.
func (f *File) Generated() bool { return ast.IsGenerated(f.AST) }

// Lines counts the lines of the file.
func (f *File) Lines() int {
	n := bytes.Count(f.Source, []byte("\n"))
	if len(f.Source) > 0 && f.Source[len(f.Source)-1] != '\n' {
		n++
	}
	return n
}

// line is the line of a position, for messages.
func (f *File) line(pos token.Pos) int { return f.Fset.Position(pos).Line }
