// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// inbound is what policy does to the calls that this process serves: the innermost part
// of their chain, and the one that a reload replaces. Calls in flight finish in the part
// that they began in.
type inbound struct {
	recorder enmesh.Recorder
	current  atomic.Pointer[inboundPolicy]
}

// inboundPolicy is what was published together.
type inboundPolicy struct {
	store *Store
	next  enmesh.Next
}

func newInbound(r enmesh.Recorder) *inbound {
	in := &inbound{recorder: r}
	in.current.Store(&inboundPolicy{newStore(nil), enmesh.Send})
	return in
}

// middleware ends the chain: what is in force sends the call itself.
func (in *inbound) middleware(enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error { return in.current.Load().next(ctx, c) }
}

// prepare makes what p says, with the state of what is in force. It is put in force, or
// abandoned.
func (in *inbound) prepare(p policy.Inbound) (*inboundPolicy, error) {
	st := newStore(in.current.Load().store)
	chain, err := kit{st, in.recorder}.inbound(p)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mesh: inbound: %w", err), st.abandon())
	}
	return &inboundPolicy{st, enmesh.Chain(chain...)(enmesh.Send)}, nil
}

// swap puts p in force.
func (in *inbound) swap(p *inboundPolicy) error {
	in.current.Store(p)
	return p.store.commit()
}

// close ends what measures the load. Calls made afterwards go by what it was last.
func (in *inbound) close() error { return newStore(in.current.Load().store).commit() }
