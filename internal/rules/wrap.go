// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
)

// Wrap makes a Go file of a block. A block with a package clause is one already. Any
// other is declarations, or else statements, which are put into
//
//	func _(ctx context.Context, <the block's given parameters>) error { ...; return nil }
//
// where variables that the block only sets count as used. Imports come from names, a
// table from the name of a package to its import path. Lines are those of the page.
func Wrap(b Block, names map[string]string) (string, error) {
	mark := fmt.Sprintf("//line %s:%d\n", b.Page, b.Line)
	if hasPackageClause(b.Text) {
		return mark + b.Text, nil
	}
	body, err := wrapBody(b, mark)
	if err != nil {
		return "", fmt.Errorf("rules: %s:%d: neither a file, nor declarations, nor statements: %w", b.Page, b.Line, err)
	}
	imports, err := importsFor("package p\n"+body, names)
	if err != nil {
		return "", fmt.Errorf("rules: %s:%d: %w", b.Page, b.Line, err)
	}
	return "package p\n\n" + imports + "\n" + body, nil
}

// hasPackageClause reports whether a text is a whole file, by its first clause.
func hasPackageClause(text string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", text, parser.PackageClauseOnly)
	return err == nil
}

// wrapBody is the block as declarations of a file.
func wrapBody(b Block, mark string) (string, error) {
	declarations := mark + b.Text
	if _, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+declarations, 0); err == nil {
		return declarations, nil
	}
	open := "func _(ctx context.Context, " + b.Given + ") error {\n" + mark + b.Text + "\n"
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+open+"}\n", 0)
	if err != nil {
		return "", err
	}
	f, ok := file.Decls[0].(*ast.FuncDecl)
	if !ok || len(file.Decls) > 1 {
		return "", errors.New("its braces do not match")
	}
	var uses string
	for _, name := range setNames(f.Body.List) {
		uses += "_ = " + name + "\n"
	}
	return open + uses + "return nil\n}\n", nil
}

// setNames are the variables that statements introduce at their outermost level.
func setNames(statements []ast.Stmt) []string {
	names := map[string]bool{}
	for _, statement := range statements {
		for _, id := range introduced(statement) {
			if id.Name != "_" {
				names[id.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// introduced are the variables of a := or var statement.
func introduced(statement ast.Stmt) []*ast.Ident {
	var ids []*ast.Ident
	switch s := statement.(type) {
	case *ast.AssignStmt:
		for _, e := range s.Lhs {
			if id, ok := e.(*ast.Ident); ok && s.Tok == token.DEFINE {
				ids = append(ids, id)
			}
		}
	case *ast.DeclStmt:
		d, ok := s.Decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			return nil
		}
		for _, spec := range d.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				ids = append(ids, v.Names...)
			}
		}
	}
	return ids
}

// importsFor writes the import declarations for the packages that source selects from
// without importing them.
func importsFor(source string, names map[string]string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, 0)
	if err != nil {
		return "", err
	}
	if len(file.Imports) > 0 {
		return "", errors.New("has imports and no package clause: make it a whole file, or leave them out")
	}
	unresolved := map[*ast.Ident]bool{}
	for _, id := range file.Unresolved {
		unresolved[id] = true
	}
	paths := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := s.X.(*ast.Ident); ok && unresolved[id] && names[id.Name] != "" {
				paths[id.Name] = names[id.Name]
			}
		}
		return true
	})
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&b, "import %s %q\n", name, paths[name])
	}
	return b.String(), nil
}

// Names is the table for [Wrap]: the module's own packages, internal ones and programs
// left out, and those of others that guides use. A name that two of our own packages
// have is left out, so that a block that uses it does not compile by accident.
func Names(g *Graph) map[string]string {
	names := map[string]string{}
	for _, importPath := range common {
		names[baseName(importPath)] = importPath
	}
	twice := map[string]bool{}
	own := map[string]bool{}
	for _, rel := range g.Own() {
		p := g.at(rel)
		if p.Name == "main" || covers([]string{"internal/...", "examples/..."}, rel) || strings.Contains(rel, "/internal/") {
			continue
		}
		twice[p.Name] = own[p.Name]
		own[p.Name] = true
		names[p.Name] = p.ImportPath
	}
	maps.DeleteFunc(names, func(name, _ string) bool { return twice[name] })
	return names
}

// baseName is the name by which a package of the table is known.
func baseName(importPath string) string {
	base := path.Base(importPath)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(importPath))
	}
	return base
}

// common are the packages of others that blocks of the guides may use without naming
// them.
var common = []string{
	"bufio", "bytes", "context", "crypto/tls", "crypto/x509", "encoding/json", "errors", "flag", "fmt", "io", "iter",
	"log", "log/slog", "maps", "math", "math/rand/v2", "net", "net/http", "net/http/httptest", "net/http/httputil",
	"net/netip", "net/url", "os", "os/signal", "path/filepath", "slices", "strconv", "strings", "sync", "sync/atomic",
	"syscall", "testing", "testing/synctest", "time",
	"github.com/prometheus/client_golang/prometheus",
	"github.com/prometheus/client_golang/prometheus/promhttp",
	"go.opentelemetry.io/otel",
	"golang.org/x/time/rate",
	"google.golang.org/grpc",
	"google.golang.org/grpc/codes",
	"google.golang.org/grpc/credentials",
	"google.golang.org/grpc/credentials/insecure",
	"google.golang.org/grpc/health",
	"google.golang.org/grpc/metadata",
	"google.golang.org/grpc/peer",
	"google.golang.org/grpc/status",
}
