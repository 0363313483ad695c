// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "sync"

// keeper holds what gates want to know of an endpoint from one configuration to
// the next.
type keeper struct {
	mu    sync.Mutex // guards now, claim
	now   map[any]any
	claim map[any]any // of the configuration before, while gates are rebuilt
}

// Keep returns the state that owner has for this endpoint, or makes it. It is for
// gates: they are built anew on every [Cluster.Configure], and find what they had
// counted. State that no gate asks for while the gates are built is forgotten, and
// all of it when the endpoint leaves. owner must be comparable; build must not call
// Keep.
func (e *Endpoint) Keep(owner any, build func() any) any { return e.host.kept.keep(owner, build) }

func (k *keeper) keep(owner any, build func() any) any {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v, ok := k.now[owner]; ok {
		return v
	}
	v, ok := k.claim[owner]
	if !ok {
		v = build()
	}
	if k.now == nil {
		k.now = map[any]any{}
	}
	k.now[owner] = v
	return v
}

// renew runs build; what it does not keep is forgotten.
func (k *keeper) renew(build func()) {
	k.mu.Lock()
	k.claim, k.now = k.now, nil
	k.mu.Unlock()
	build()
	k.mu.Lock()
	k.claim = nil
	k.mu.Unlock()
}
