// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
)

// position is a line and a column, from 1.
type position struct{ line, column int }

// document is one object of a file, and where its fields stand.
type document struct {
	file      string
	fileIndex int // in the order of the load
	number    int // in the file, from 1
	group     string
	version   string
	kind      string
	name      string
	namespace string
	start     position
	spec      proto.Message     // of Istio's kinds that are enforced; else nil
	ownSpec   ownSpec           // of enmesh's own kinds; else nil
	own       map[string]string // annotations that are ours
	places    map[string]position
	findings  []Finding
	wholes    []Finding // on fields whose parts have findings, for Snapshot.FindingsFor
	problems  *problems // of the load
	broken    []string  // the fields with problems, the first of them
	oversize  bool      // too large to compile; it was refused
	revised   map[string]bool
	told      map[string]bool // what revise was told: a delegate is compiled once for each rule that names it
}

// origin is the document's file and line.
func (d *document) origin() string { return d.file + ":" + strconv.Itoa(d.start.line) }

// path is "VirtualService shop/reviews".
func (d *document) path() string { return d.kind + " " + d.namespace + "/" + d.name }

// title names the document in messages about others.
func (d *document) title() string {
	return d.kind + " " + strconv.Quote(d.name) + " (" + d.origin() + ")"
}

// at is the place of a field. One that is not set stands where the nearest field
// that holds it does.
func (d *document) at(field string) Place {
	p := Place{File: d.file, Document: d.number, Kind: d.kind, Name: d.name, Field: field}
	pos := d.start
	for path := field; path != ""; path = parentOf(path) {
		if found, ok := d.places[path]; ok {
			pos = found
			break
		}
	}
	p.Line, p.Column = pos.line, pos.column
	return p
}

// parentOf is the path of what holds a field; "" for the outermost.
func parentOf(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:strings.LastIndexByte(path, '[')]
	}
	return path[:max(0, strings.LastIndexByte(path, '.'))]
}

// within reports whether a field is another one or a part of it.
func within(field, whole string) bool {
	rest, ok := strings.CutPrefix(field, whole)
	return ok && (rest == "" || whole == "" || rest[0] == '.' || rest[0] == '[')
}

// mark notes where a field stands.
func (d *document) mark(path string, n *yaml.Node) { d.places[path] = position{n.Line, n.Column} }

// bad notes a problem at a node.
func (d *document) bad(n *yaml.Node, path, format string, args ...any) {
	p := d.at(path)
	p.Line, p.Column = n.Line, n.Column
	d.breaks(path)
	d.problems.add(p, format, args...)
}

// maxBroken bounds what is remembered: beyond it the document's further problems are
// no longer worth telling apart.
const maxBroken = 1000

func (d *document) breaks(path string) {
	if len(d.broken) < maxBroken {
		d.broken = append(d.broken, path)
	}
}

// refuse notes a problem at a field, unless the field, a part of it or what holds it
// has one already: then this one probably follows from it.
func (d *document) refuse(path, format string, args ...any) {
	for _, b := range d.broken {
		if within(b, path) || within(path, b) {
			return
		}
	}
	d.breaks(path)
	d.problems.add(d.at(path), format, args...)
}

// note adds a finding about a field.
func (d *document) note(path string, v Verdict, message string) {
	d.findings = append(d.findings, Finding{Place: d.at(path), Verdict: v, Message: message})
}

// judge is note for a field with a row, whose value is known.
func (d *document) judge(path string, r row, key, value string) {
	d.findings = append(d.findings, Finding{d.at(path), r.verdict, r.message, key, value})
}

// revise is note for a field whose value alone tells: it replaces the verdict that
// the field has from the table.
func (d *document) revise(path string, v Verdict, message string) {
	if d.revised == nil {
		d.revised, d.told = map[string]bool{}, map[string]bool{}
	}
	if d.told[path+": "+message] {
		return
	}
	d.revised[path], d.told[path+": "+message] = true, true
	d.note(path, v, message)
}

// sorted is the findings as they stand in the document, those of the table left out
// that were revised.
func (d *document) sorted() []Finding {
	d.keep()
	found := slices.DeleteFunc(d.findings, func(f Finding) bool {
		return d.revised[f.Field] && f.Verdict == Enforced && f.Message == ""
	})
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return found
}

// keep hands the rows of fields that were revised on to what revised them.
func (d *document) keep() {
	if len(d.revised) == 0 {
		return
	}
	rows := map[string]Finding{}
	for _, f := range d.findings {
		if f.key != "" {
			rows[f.Field] = f
		}
	}
	for i := range d.findings {
		if f := &d.findings[i]; f.key == "" && d.revised[f.Field] {
			f.key, f.value = rows[f.Field].key, rows[f.Field].value
		}
	}
}

// withoutEffect replaces what was found by one finding: the document does nothing
// in this process.
func (d *document) withoutEffect(path, why string) {
	d.findings, d.wholes = nil, nil
	d.note(path, Ignored, why)
}
