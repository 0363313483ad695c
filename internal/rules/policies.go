// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
)

// policyTrees are where policies live.
var policyTrees = []string{"resilience/", "limit/"}

// NoShadow are the policies that need no shadow, each with its reason.
var NoShadow = map[string]string{
	"resilience/retry": "its shadow comes with the rest of its rewrite",
}

// CheckShadow returns one line for each package of policies whose Config, taken by a New
// that makes a middleware, has no Shadow and no Recorder, but for those of the table of
// exceptions; and one for each that has a gate and no test that puts it through
// enmeshtest.TestGate, which tries it in shadow, too.
func CheckShadow(files []*File, except map[string]string) []string {
	packages := map[string][]*File{}
	for _, f := range files {
		if slices.ContainsFunc(policyTrees, func(tree string) bool { return strings.HasPrefix(f.Path, tree) }) {
			dir := path.Dir(f.Path)
			packages[dir] = append(packages[dir], f)
		}
	}
	var problems []string
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if except[dir] == "" && makesMiddleware(packages[dir]) {
			for _, field := range missing(packages[dir], "Shadow", "Recorder") {
				problems = append(problems, fmt.Sprintf("%s: New makes a middleware, and its Config has no %s", dir, field))
			}
		}
		if at := gateOf(packages[dir]); at != "" && !triesGates(packages[dir]) {
			problems = append(problems, at+": no test puts this gate through enmeshtest.TestGate")
		}
	}
	return problems
}

// makesMiddleware reports whether a package has a function New that returns an
// enmesh.Middleware.
func makesMiddleware(files []*File) bool {
	return anyFunc(files, func(f *File, fn *ast.FuncDecl) bool {
		if fn.Recv != nil || fn.Name.Name != "New" || fn.Type.Results == nil {
			return false
		}
		return f.text(fn.Type.Results.List[0].Type) == "enmesh.Middleware"
	}) != ""
}

// gateOf says where a package's first exported gate is, or "": a type with a method Admit
// that takes a call.
func gateOf(files []*File) string {
	return anyFunc(files, func(f *File, fn *ast.FuncDecl) bool {
		if fn.Recv == nil || fn.Name.Name != "Admit" {
			return false
		}
		receiver := strings.TrimPrefix(f.text(fn.Recv.List[0].Type), "*")
		return ast.IsExported(receiver) && strings.Contains(f.text(fn.Type), "*enmesh.Call")
	})
}

// anyFunc is the place of the first function outside tests that ok says yes to, or "".
func anyFunc(files []*File, ok func(*File, *ast.FuncDecl) bool) string {
	for _, f := range files {
		if f.Test() {
			continue
		}
		for _, decl := range f.AST.Decls {
			if fn, is := decl.(*ast.FuncDecl); is && ok(f, fn) {
				return fmt.Sprintf("%s:%d", f.Path, f.Fset.Position(fn.Pos()).Line)
			}
		}
	}
	return ""
}

func triesGates(files []*File) bool {
	return slices.ContainsFunc(files, func(f *File) bool {
		return f.Test() && strings.Contains(string(f.Source), "enmeshtest.TestGate(")
	})
}

// missing is which of these fields the package's Config has not.
func missing(files []*File, fields ...string) []string {
	for _, f := range files {
		if f.Test() {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			spec, is := n.(*ast.TypeSpec)
			if !is || spec.Name.Name != "Config" {
				return true
			}
			if s, is := spec.Type.(*ast.StructType); is {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						fields = slices.DeleteFunc(fields, func(want string) bool { return want == name.Name })
					}
				}
			}
			return false
		})
	}
	return fields
}

// text is the source of a node.
func (f *File) text(n ast.Node) string {
	return string(f.Source[f.Fset.Position(n.Pos()).Offset:f.Fset.Position(n.End()).Offset])
}
