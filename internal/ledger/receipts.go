// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"slices"
	"sync"
)

// Receipts are the servers' side: which calls reached the application, where, and whether
// their handlers came to an end. The zero value is ready, and any number of servers may
// share one. As JSON it travels from a process of its own to the test.
type Receipts struct {
	mu   sync.Mutex // guards seen
	seen map[string]*receipt
}

// receipt is what the servers know of one call. It is JSON between processes.
type receipt struct {
	Servers []string `json:"servers"` // one for each time it began
	Ended   int      `json:"ended"`
}

// Begin writes down that a server has begun to serve a call; end says that it is through.
func (r *Receipts) Begin(id, server string) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = make(map[string]*receipt)
	}
	c := r.seen[id]
	if c == nil {
		c = &receipt{}
		r.seen[id] = c
	}
	c.Servers = append(c.Servers, server)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		c.Ended++
	}
}

// Servers are those that have seen a call, in order, each as often as it has.
func (r *Receipts) Servers(id string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.seen[id]; c != nil {
		return slices.Clone(c.Servers)
	}
	return nil
}

// MarshalJSON writes all receipts.
func (r *Receipts) MarshalJSON() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return json.Marshal(r.seen)
}

// UnmarshalJSON adds the receipts of another process to those that are there.
func (r *Receipts) UnmarshalJSON(text []byte) error {
	var more map[string]*receipt
	if err := json.Unmarshal(text, &more); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = make(map[string]*receipt, len(more))
	}
	for id, c := range more {
		if c == nil {
			continue
		}
		if mine := r.seen[id]; mine != nil {
			mine.Servers = append(mine.Servers, c.Servers...)
			mine.Ended += c.Ended
		} else {
			r.seen[id] = c
		}
	}
	return nil
}

// count is how often a call began, and whether anything of it is left unended.
func (r *Receipts) count(id string) (begun int, unended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.seen[id]
	if c == nil {
		return 0, false
	}
	return len(c.Servers), c.Ended < len(c.Servers)
}
