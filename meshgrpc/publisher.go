// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"sync"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/enmesh-go/enmesh"
)

// publishEvery bounds how often ordinary changes are published. A pick that was
// thrown away waits for the next publication, so it also bounds the latency that is
// added when a connection is lost.
const publishEvery = 2 * time.Millisecond

// publisher tells grpc of new pickers, one at a time. A change that picks wait for
// is published at once, the rest together; every change is followed by a
// publication.
type publisher struct {
	balancer *meshBalancer

	mu     sync.Mutex // guards what follows; not held while anything is called
	dirty  map[*readySet]struct{}
	busy   bool // somebody publishes, and goes on while again is set
	again  bool
	timer  *time.Timer // nil: none is pending
	last   enmesh.Instant
	closed bool
}

// changed notes that rs (nil: the sets as such) is to be published.
func (p *publisher) changed(rs *readySet, urgent bool) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	if rs != nil {
		if p.dirty == nil {
			p.dirty = map[*readySet]struct{}{}
		}
		p.dirty[rs] = struct{}{}
	}
	wait := publishEvery - enmesh.Now().Sub(p.last)
	if urgent || wait <= 0 {
		p.publish()
		return
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.fire)
	}
	p.mu.Unlock()
}

func (p *publisher) fire() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.publish()
}

// publish publishes until nothing is left to publish at once; mu is held, and is not
// any more when it returns.
func (p *publisher) publish() {
	defer p.mu.Unlock()
	p.again = true
	if p.busy {
		return
	}
	p.busy = true
	for p.again && !p.closed {
		p.again = false
		if p.timer != nil {
			p.timer.Stop()
			p.timer = nil
		}
		dirty := p.dirty
		p.dirty = nil
		p.mu.Unlock()
		p.show(dirty)
		p.mu.Lock()
		p.last = enmesh.Now()
	}
	p.busy = false
}

// show makes the new snapshots, then wakes the picks that wait. One picker serves for
// ever: it reads the snapshots.
func (p *publisher) show(dirty map[*readySet]struct{}) {
	for rs := range dirty {
		rs.rebuild()
	}
	b := p.balancer
	b.cc.UpdateState(balancer.State{ConnectivityState: b.state(), Picker: (*picker)(b)})
}

func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
