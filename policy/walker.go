// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// walker goes through one document's YAML tree and remembers where each field
// stands. It holds the bounds that keep a small file with many aliases from
// becoming a large one.
type walker struct {
	doc    *document
	budget *int // nodes that may still be visited in this file
	over   bool // the budget ran out; it was reported
}

// pair is one entry of a mapping.
type pair struct {
	key        string
	keyNode    *yaml.Node
	value      *yaml.Node // aliases resolved
	valuePlace *yaml.Node // as written: an alias stands where it is used
}

// spend counts one node, and reports false when there are too many.
func (w *walker) spend(n *yaml.Node, path string) bool {
	if *w.budget > 0 {
		*w.budget--
		return true
	}
	if !w.over {
		w.over = true
		w.doc.bad(n, path, "more than %d YAML nodes in the file, aliases counted as often as they are used: split it", maxNodes)
	}
	return false
}

// deep reports whether a path is nested too deeply, which an alias to what holds it
// is.
func (w *walker) deep(n *yaml.Node, path string, depth int) bool {
	if depth <= maxDepth {
		return false
	}
	w.doc.bad(n, path, "nested more than %d deep", maxDepth)
	return true
}

// pairs is the entries of a mapping, merge keys ("<<") applied. Keys that are no
// text, and keys that stand twice, are reported.
func (w *walker) pairs(n *yaml.Node, path string, depth int) []pair {
	if w.deep(n, path, depth) {
		return nil
	}
	var out, merged []pair
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !w.spend(key, path) {
			return out
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, w.merge(value, path, depth+1)...)
			continue
		}
		key = resolve(key)
		if key.Kind != yaml.ScalarNode {
			w.doc.bad(n.Content[i], path, "a key must be text, not %s", describe(key))
			continue
		}
		if line, twice := lines[key.Value]; twice {
			w.doc.bad(n.Content[i], join(path, key.Value), "key %q stands twice, first at line %d: remove one", clip(key.Value), line)
			continue
		}
		lines[key.Value] = n.Content[i].Line
		out = append(out, pair{key.Value, n.Content[i], resolve(value), value})
	}
	for _, p := range merged {
		if _, has := lines[p.key]; !has {
			lines[p.key] = p.keyNode.Line
			out = append(out, p)
		}
	}
	return out
}

// merge is the entries that a merge key brings: those of a mapping, or of several,
// the first going before the others.
func (w *walker) merge(n *yaml.Node, path string, depth int) []pair {
	if w.deep(n, path, depth) || !w.spend(n, path) {
		return nil
	}
	switch n = resolve(n); n.Kind {
	case yaml.MappingNode:
		return w.pairs(n, path, depth)
	case yaml.SequenceNode:
		var out []pair
		for _, item := range n.Content {
			out = append(out, w.merge(item, path, depth+1)...)
		}
		return out
	default:
		w.doc.bad(n, path, "a merge key (<<) takes a mapping, not %s", describe(n))
		return nil
	}
}

// join is the path of a field below another; a key that is no plain word goes in
// brackets.
func join(path, key string) string {
	if path == "" {
		return key
	}
	if strings.ContainsAny(key, ".[] ") {
		return path + "[" + clip(key) + "]"
	}
	return path + "." + key
}

// index is the path of an item of a list.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// entry is the path of an entry of a map.
func entry(path, key string) string { return path + "[" + clip(key) + "]" }
