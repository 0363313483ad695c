// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"
	"strings"
)

// cursor points at a field of a document while its message is walked.
type cursor struct {
	doc  *document
	path string
}

// field is the field of that name below c.
func (c cursor) field(name string) cursor { return cursor{c.doc, c.path + "." + name} }

// name is the last name in the path.
func (c cursor) name() string { return c.path[strings.LastIndexByte(c.path, '.')+1:] }

// item is the i-th item of a list.
func (c cursor) item(i int) cursor { return cursor{c.doc, index(c.path, i)} }

// entry is an entry of a map.
func (c cursor) entry(key string) cursor { return cursor{c.doc, entry(c.path, key)} }

// isSet reports whether the document says something there.
func (c cursor) isSet() bool {
	_, ok := c.doc.places[c.path]
	return ok
}

// origin is the file and line of the field, or of what holds it.
func (c cursor) origin() string { return c.doc.file + ":" + strconv.Itoa(c.doc.at(c.path).Line) }

// refuse notes a problem.
func (c cursor) refuse(format string, args ...any) { c.doc.refuse(c.path, format, args...) }

// note adds a finding, which goes before one that the field is enforced.
func (c cursor) note(v Verdict, message string) { c.doc.revise(c.path, v, message) }
