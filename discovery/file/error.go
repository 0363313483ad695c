// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"errors"
	"fmt"
	"strings"
)

// Error is one thing that is wrong in a file: where, in which field, and what to
// do about it. A file's errors are joined, at most 10 of them.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 where only the file is known
	Field        string // "services.reviews[0].weight"; "" for the whole file
	Problem      string // what is wrong, and the fix
}

// Error is "file: services.yaml:4:13: services.reviews[0].weight: ...".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("file: " + e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	return b.String() + ": " + e.Problem
}

// maxErrors bounds what one reading reports.
const maxErrors = 10

// join makes one error of many.
func join(errs []*Error) error {
	if len(errs) == 0 {
		return nil
	}
	all := make([]error, 0, maxErrors+1)
	for i, e := range errs {
		if i == maxErrors {
			all = append(all, fmt.Errorf("file: %s: and %d more", e.File, len(errs)-i))
			break
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}
