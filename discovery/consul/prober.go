// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// prober finds out when the agent is back. While any loop of a Registry waits after a
// failure, it asks the agent for the cluster's leader about every 600 ms, one
// request for all of them, and wakes them when the answer turns from bad to good. So
// backoffs may grow to 10 s and yet nobody is blind for longer than a second or so
// after an outage.
type prober struct {
	ask func(ctx context.Context) error

	mu     sync.Mutex // guards what follows; nothing is called under it
	users  int
	back   chan struct{} // closed and replaced when the agent is back
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	probeEvery   = 450 * time.Millisecond // and up to probeJitter more
	probeJitter  = 300 * time.Millisecond
	probeTimeout = time.Second
)

func newProber(ask func(ctx context.Context) error) *prober {
	return &prober{ask: ask, back: make(chan struct{})}
}

// join begins to use the prober.
func (p *prober) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users++
	if p.users > 1 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	go p.run(ctx, p.done)
}

// leave ends the use, and waits for the probing to end with the last one's.
func (p *prober) leave() {
	p.mu.Lock()
	p.users--
	var done chan struct{}
	if p.users == 0 {
		p.cancel()
		done = p.done
	}
	p.mu.Unlock()
	if done != nil {
		<-done
	}
}

// wake gives the channel that is closed when the agent comes back, and how many wait
// for that.
func (p *prober) wake() (<-chan struct{}, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.back, p.users
}

func (p *prober) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	for down := false; ctx.Err() == nil; {
		err := p.probe(ctx)
		if down && err == nil {
			p.announce()
		}
		down = err != nil
		if _, ok := sleep(ctx, probeEvery+spread(probeJitter), nil); !ok {
			return
		}
	}
}

func (p *prober) announce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.back)
	p.back = make(chan struct{})
}

// probe fails while the agent cannot be reached or has no leader. Other refusals show
// that it is there.
func (p *prober) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := p.ask(ctx)
	if code, _ := statusOf(err); code != 0 && code < http.StatusInternalServerError {
		return nil
	}
	return err
}

// trouble is one loop's use of the prober, and its backoff: it begins with a failure
// and ends with a success.
type trouble struct {
	prober  *prober
	backoff backoff
	on      bool
}

// wait waits after a failure, for no longer than most when that is not 0; it reports
// whether ctx goes on. When the agent is back, all who wait go on within a second,
// sooner when they are few.
func (t *trouble) wait(ctx context.Context, most time.Duration) bool {
	if !t.on {
		t.on = true
		t.prober.join()
	}
	d := t.backoff.next()
	if most > 0 {
		d = min(d, most)
	}
	wake, users := t.prober.wake()
	woken, ok := sleep(ctx, d, wake)
	if woken {
		t.backoff.reset()
		_, ok = sleep(ctx, spread(min(time.Second, time.Duration(users)*10*time.Millisecond)), nil)
	}
	return ok
}

// over ends the trouble, if there is any.
func (t *trouble) over() {
	t.backoff.reset()
	if t.on {
		t.on = false
		t.prober.leave()
	}
}
