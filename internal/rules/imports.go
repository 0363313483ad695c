// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"strings"
)

// CheckImports holds the graph against [Layers] and [Neighbours] and returns one line
// for each edge that breaks a rule, naming both of its ends and the rule.
func CheckImports(g *Graph) []string {
	var problems []string
	for _, rel := range g.Own() {
		problems = append(problems, checkLayer(g, rel)...)
		problems = append(problems, checkNeighbours(g, rel)...)
	}
	return problems
}

// checkLayer checks what one of our packages imports itself.
func checkLayer(g *Graph, rel string) []string {
	layer := layerOf(rel)
	if layer == nil {
		return []string{fmt.Sprintf("%s: no row of rules.Layers covers it: add one", rel)}
	}
	if layer.Any {
		return nil
	}
	var problems []string
	for _, path := range g.at(rel).Imports {
		if !layer.allows(g, rel, path) {
			problems = append(problems, fmt.Sprintf("%s imports %s: %s", g.short(g.at(rel).ImportPath), g.short(path), layer.Rule))
		}
	}
	return problems
}

// layerOf is the layer that holds for a package, or nil.
func layerOf(rel string) *Layer {
	for i := range Layers {
		if covers(Layers[i].Of, rel) {
			return &Layers[i]
		}
	}
	return nil
}

// allows reports whether the package rel of the layer may import path.
func (l *Layer) allows(g *Graph, rel, path string) bool {
	to, own := g.rel(path)
	if !own {
		return !l.StdOnly || isStd(g, path)
	}
	if strings.HasPrefix(to, rel+"/internal/") {
		return true // pieces of the package itself
	}
	if covers(l.Not, to) {
		return false
	}
	for _, pattern := range l.May {
		if pattern == "^" && strings.HasPrefix(rel, to+"/") || covers([]string{pattern}, to) {
			return true
		}
	}
	return false
}

// isStd reports whether path is of the standard library. A package that the graph does
// not hold is judged by its first element, as the go command does.
func isStd(g *Graph, path string) bool {
	if p := g.Packages[path]; p != nil {
		return p.Standard
	}
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// checkNeighbours checks what one of our packages imports and what it reaches.
func checkNeighbours(g *Graph, rel string) []string {
	var problems []string
	from := g.at(rel)
	for i := range Neighbours {
		n := &Neighbours[i]
		if covers(n.In, rel) || covers(programs, rel) && !covers([]string{"cmd/..."}, rel) {
			continue
		}
		match := func(path string) bool { return within(n.Of, path) }
		direct := false
		for _, path := range from.Imports {
			if match(path) {
				direct = true
				problems = append(problems, fmt.Sprintf("%s imports %s: %s stays in %s",
					g.short(from.ImportPath), path, n.Name, strings.Join(n.In, ", ")))
			}
		}
		if direct || covers(n.Near, rel) || covers(programs, rel) {
			continue
		}
		if way := g.reach(from.ImportPath, match); way != nil {
			problems = append(problems, fmt.Sprintf("%s reaches %s, by %s: it must compile without %s",
				g.short(from.ImportPath), way[len(way)-1], g.way(way), n.Name))
		}
	}
	return problems
}

// way writes a chain of imports.
func (g *Graph) way(paths []string) string {
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = g.short(path)
	}
	return strings.Join(names, " -> ")
}
