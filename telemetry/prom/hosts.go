// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import "sync"

// maxHosts is how many names servers are called by that have series of their own.
const maxHosts = 100

// hosts is the names that servers are called by. A client writes there what it likes, in
// Host or :authority, and each would be a series of every kind.
type hosts struct {
	mu    sync.Mutex // guards names
	names map[string]struct{}
}

// of is the name as a label: itself, or [overflow] for all that are too many.
func (h *hosts) of(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.names[name]; known {
		return name
	}
	if len(h.names) >= maxHosts {
		return overflow
	}
	if h.names == nil {
		h.names = map[string]struct{}{}
	}
	h.names[name] = struct{}{}
	return name
}
