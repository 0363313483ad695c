// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// CheckPackageDocs returns one line for each package directory in which no file, tests
// aside, has a package comment.
func CheckPackageDocs(files []*File) []string {
	documented := map[string]bool{}
	for _, f := range files {
		if !f.Test() {
			documented[f.Dir()] = documented[f.Dir()] || text(f.AST.Doc)
		}
	}
	var problems []string
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		if !documented[dir] {
			problems = append(problems, dir+": the package has no doc comment")
		}
	}
	return problems
}

// CheckExported returns one line for each exported type, function, constant and
// variable, and each exported method of an exported type, without a comment. A group of constants or
// variables may share one. Fields and the methods of interfaces are left to the
// author: many say all in their name. Tests, generated files, internal packages,
// commands and examples are left out.
func CheckExported(files []*File) []string {
	var problems []string
	for _, f := range files {
		if f.Test() || f.Generated() || !public(f) {
			continue
		}
		for _, decl := range f.AST.Decls {
			for _, name := range undocumented(decl) {
				problems = append(problems, fmt.Sprintf("%s:%d: %s is exported and has no comment", f.Path, f.line(name.Pos()), name.Name))
			}
		}
	}
	return problems
}

// public reports whether a package's names are for users of the module.
func public(f *File) bool {
	for part := range strings.SplitSeq(f.Dir(), "/") {
		if part == "internal" || part == "examples" {
			return false
		}
	}
	return f.AST.Name.Name != "main"
}

// undocumented returns the exported names that a declaration leaves without comment.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && !text(d.Doc) && (d.Recv == nil || ast.IsExported(receiver(d))) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		return undocumentedSpecs(d)
	}
	return nil
}

// undocumentedSpecs is undocumented for types, constants and variables.
func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			alone := !d.Lparen.IsValid() && text(d.Doc)
			if s.Name.IsExported() && !alone && !text(s.Doc) && !text(s.Comment) {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if text(d.Doc) || text(s.Doc) || text(s.Comment) {
				continue
			}
			for _, name := range s.Names {
				if name.IsExported() {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// receiver is the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return token.ILLEGAL.String()
		}
	}
}

// text reports whether a comment says something.
func text(c *ast.CommentGroup) bool { return c != nil && strings.TrimSpace(c.Text()) != "" }
