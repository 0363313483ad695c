// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

// cursor is the index of one watch in one datacenter: what to ask Consul to wait
// beyond. 0 asks for the present state at once.
type cursor struct{ index uint64 }

// move is what an answer's index means.
type move int

const (
	forward   move = iota
	backwards      // below what was sent: a restored snapshot, or a server that lags
	useless        // zero, missing or no number
)

// advance takes the index of an answer to a query that was sent with c.index.
//
// An index that went backwards is not kept: the state is asked for anew, without
// one, and that answer counts. Where there is no index, 1 is used, since 0 would
// never block; a server whose index is beyond 1 answers at once, and the pace is
// what keeps the loop from spinning.
func (c *cursor) advance(got uint64) move {
	switch {
	case got == 0:
		c.index = 1
		return useless
	case got < c.index:
		c.index = 0
		return backwards
	}
	c.index = got
	return forward
}

// reset asks for the present state next: another server may be at the other end, or
// this one in another life.
func (c *cursor) reset() { c.index = 0 }
