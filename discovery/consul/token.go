// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"os"
	"strings"
	"sync"
)

// tokens gives the ACL token of each request.
type tokens struct {
	file string
	tell func(error) // hears of a file that cannot be read, once, and nil when it can again

	mu   sync.Mutex // guards what follows
	last string
	bad  bool
}

// now is the token in force, or "". A file that is missing or empty, as it may be
// while it is replaced, leaves the last token in force.
func (t *tokens) now() string {
	if t.file == "" {
		return t.last
	}
	text, err := os.ReadFile(t.file)
	token := strings.TrimSpace(string(text))
	t.mu.Lock()
	changed := (err != nil) != t.bad
	t.bad = err != nil
	if token != "" {
		t.last = token
	}
	token = t.last
	t.mu.Unlock()
	if changed {
		t.tell(err)
	}
	return token
}
