// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/enmesh-go/enmesh/balance"
)

// conn is the connection to one endpoint: a line, and while that is too old, the one that
// is to take its place.
type conn struct {
	set  *readySet
	view *balance.Endpoint
	line atomic.Pointer[line] // the one that picks go to; nil before open
	use  atomic.Int64         // how long the latest is to be used, for its certificates; 0: any time

	// guarded by set.mu
	state   connectivity.State // Connecting, Ready or TransientFailure
	awaited bool               // so is the view
	gone    bool
	next    *line       // connects, to replace line; nil: none
	age     *time.Timer // until line is too old; nil: never
}

func newConn(rs *readySet, e *balance.Endpoint) *conn {
	c := &conn{set: rs, state: connectivity.Connecting}
	c.view = e.View(c)
	return c
}

// part has no pick come here any more; set.mu is held.
func (c *conn) part() {
	c.gone = true
	c.awaited = false
	c.view.SetReady(false)
}

// open begins to connect.
func (c *conn) open() {
	l := &line{conn: c}
	c.line.Store(l)
	l.open()
}

func (c *conn) addresses() []resolver.Address {
	attrs := endpointAttributes(c.view)
	addrs := make([]resolver.Address, 0, len(c.view.Addrs()))
	for _, a := range c.view.Addrs() {
		addrs = append(addrs, resolver.Address{Addr: a, Attributes: attrs})
	}
	return addrs
}

// report hears of a line's states. A retired one that is lost is not made anew, but
// whoever has just picked it waits for a publication.
func (c *conn) report(l *line, to connectivity.State, err error) {
	if l == c.line.Load() {
		if c.set.move(c, to, err) && to == connectivity.Ready {
			c.grow()
		}
	}
	c.set.mu.Lock()
	isNext := l == c.next
	c.set.mu.Unlock()
	switch {
	case isNext && to == connectivity.Ready:
		c.replace(l)
	case isNext && to == connectivity.TransientFailure:
		c.abandon(l)
	case l.isRetired() && to != connectivity.Ready:
		c.set.balancer.publisher.changed(c.set, false)
		c.set.balancer.beside(l.close)
	}
}

// result is the pick of this connection, and the line that it is on.
func (c *conn) result(info balancer.PickInfo) (balancer.PickResult, *line, error) {
	l := c.line.Load()
	for {
		r, ok, err := l.result(info)
		if ok {
			return r, l, err
		}
		before := l
		if l = c.line.Load(); l == before { // the endpoint has left, of which a publication tells
			return balancer.PickResult{}, nil, balancer.ErrNoSubConnAvailable
		}
	}
}

// replace has calls go to l from now on; those on the line before finish there.
func (c *conn) replace(l *line) {
	rs := c.set
	rs.mu.Lock()
	if c.gone || c.next != l {
		rs.mu.Unlock()
		return // close has it
	}
	c.next = nil
	old := c.line.Swap(l)
	rs.mu.Unlock()
	old.retire()
	rs.move(c, connectivity.Ready, nil)
	c.grow()
}

// abandon gives up on l: the line that there is goes on, and is tried to be replaced
// again after a tenth of its time. It is closed beside: pick_first reports under a lock
// that closing it takes.
func (c *conn) abandon(l *line) {
	rs := c.set
	rs.mu.Lock()
	mine := c.next == l
	if mine {
		c.next = nil
		c.ageLocked(0.1)
	}
	rs.mu.Unlock()
	if mine {
		rs.balancer.beside(l.retire)
	}
}

// grow begins the time of a line that has become ready.
func (c *conn) grow() {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	c.ageLocked(1)
}

// leastAge is how long a line that could not be replaced is left alone at least.
const leastAge = time.Second

// ageLocked has the line replaced after a share of its time; set.mu is held.
func (c *conn) ageLocked(share float64) {
	if c.age != nil {
		c.age.Stop()
		c.age = nil
	}
	if c.gone {
		return
	}
	life := c.set.client().connectionTo(c.view).Lifetime(rand.Float64())
	if use := time.Duration(c.use.Load()); use > 0 && (life == 0 || use < life) {
		life = use
	}
	if life == 0 {
		return
	}
	if share < 1 {
		life = max(time.Duration(share*float64(life)), leastAge)
	}
	c.age = time.AfterFunc(life, c.renew)
}

// renew makes the line that replaces one that is too old. One that is not ready is about
// to be made anew anyway.
func (c *conn) renew() {
	rs := c.set
	rs.mu.Lock()
	if c.gone || c.next != nil || c.state != connectivity.Ready {
		rs.mu.Unlock()
		return
	}
	l := &line{conn: c}
	c.next = l
	rs.mu.Unlock()
	rs.balancer.beside(l.open)
}

// close has calls in flight finish, and such as have picked it begin.
func (c *conn) close() {
	c.set.mu.Lock()
	next := c.next
	c.next = nil
	if c.age != nil {
		c.age.Stop()
		c.age = nil
	}
	c.set.mu.Unlock()
	c.line.Load().retire()
	if next != nil {
		next.retire()
	}
}
