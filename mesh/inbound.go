// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// inbound is what policy does to the calls that this process serves: the innermost part
// of their chain, and the one that a reload replaces. Calls in flight finish in the part
// that they began in.
type inbound struct {
	recorder enmesh.Recorder
	guard    *guard
	remote   remoteLimits
	naming   enmesh.Naming
	self     string // the key of the process's service; "": it is nobody's
	current  atomic.Pointer[inboundPolicy]
}

// inboundPolicy is what was published together.
type inboundPolicy struct {
	store   *Store
	next    enmesh.Next
	guarded guarded
}

// counted is the router of the calls that this process serves, which adapters also tell of
// what they refuse before there is a call to route.
type counted struct {
	enmesh.Router
	enmesh.Recorder
}

func newInbound(m *Mesh, r enmesh.Recorder, g *guard) *inbound {
	in := &inbound{recorder: r, guard: g, remote: m.cfg.remote, naming: m.naming}
	if service := m.cfg.workload.Service; service != "" {
		in.self = m.naming.Key(service)
	}
	in.current.Store(&inboundPolicy{store: newStore(nil), next: enmesh.Send})
	return in
}

// middleware ends the chain: what is in force sends the call itself.
func (in *inbound) middleware(enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error { return in.current.Load().next(ctx, c) }
}

// prepare makes what s says, with the state of what is in force. It is put in force, or
// abandoned. Who calls, and whether he may, comes before everything that counts or bounds,
// and what browsers ask before they call, which nobody in particular does, before that.
func (in *inbound) prepare(s *policy.Snapshot) (*inboundPolicy, error) {
	st := newStore(in.current.Load().store)
	who, guards, err := in.guard.middleware(st, s.Security)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mesh: inbound: %w", err), st.abandon())
	}
	bounds, err := kit{st, in.recorder, in.remote}.inbound(s.Inbound)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mesh: inbound: %w", err), st.abandon())
	}
	pages, err := pagesOf(in.naming, in.self, s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mesh: inbound: %w", err), st.abandon())
	}
	chain := slices.Concat([]enmesh.Middleware{pages}, guards, bounds)
	return &inboundPolicy{st, enmesh.Chain(chain...)(enmesh.Send), who}, nil
}

// swap puts p in force.
func (in *inbound) swap(p *inboundPolicy) error {
	in.current.Store(p)
	return p.store.commit()
}

// close ends what measures the load and what fetches keys. Calls made afterwards go by what
// they were last.
func (in *inbound) close() error {
	return errors.Join(newStore(in.current.Load().store).commit(), in.guard.keys.Close())
}
