// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxProblems bounds what one [Error] holds: a file of the wrong kind should not
// answer with a thousand lines.
const maxProblems = 50

// Place is where something stands in the files of a load.
type Place struct {
	File     string // as it was given to Load, or as File.Name
	Line     int    // from 1; 0: the file as a whole
	Column   int    // from 1; 0: the line as a whole
	Document int    // from 1, counting those of the file that hold something; the items of a List share it
	Kind     string // "VirtualService"; "" while it is not known
	Name     string // metadata.name
	Field    string // "spec.http[0].timeout"; "" for the document as a whole
}

// String is `reviews.yaml:14:9: VirtualService "reviews" (document 2): spec.hosts`, or
// `reviews.yaml:14:9: document 2: spec` where the kind is not known, less what else is not.
func (p Place) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	for _, n := range [...]int{p.Line, p.Column} {
		if n == 0 {
			break
		}
		b.WriteString(":" + strconv.Itoa(n))
	}
	switch {
	case p.Kind != "":
		fmt.Fprintf(&b, ": %s %q (document %d)", p.Kind, p.Name, p.Document)
	case p.Document != 0:
		b.WriteString(": document " + strconv.Itoa(p.Document))
	}
	if p.Field != "" {
		b.WriteString(": " + p.Field)
	}
	return b.String()
}

// Problem is one reason why a load was refused. Its message ends with what to do.
type Problem struct {
	Place
	Message string
}

// String is the place and the message.
func (p Problem) String() string { return p.Place.String() + ": " + p.Message }

// Error is why a load was refused: everything that was found, not only the first.
// Read it with errors.As.
type Error struct {
	Problems []Problem // in the order of the files, at most 50
	More     int       // how many were left out
}

// Error has one line for each problem, each starting with "policy: ".
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, "policy: "+p.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("policy: and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong.
type problems struct{ list []Problem }

// mostCollected bounds what is kept until it is sorted.
const mostCollected = 10_000

// add notes one problem.
func (p *problems) add(at Place, format string, args ...any) {
	if len(p.list) < mostCollected {
		p.list = append(p.list, Problem{at, fmt.Sprintf(format, args...)})
	}
}

// err is the *Error of what was added, in the order of the files, or nil.
func (p *problems) err(files []File) error {
	if len(p.list) == 0 {
		return nil
	}
	order := make(map[string]int, len(files))
	for i, f := range files {
		order[f.Name] = i
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	shown := min(len(p.list), maxProblems)
	return &Error{Problems: p.list[:shown], More: len(p.list) - shown}
}
