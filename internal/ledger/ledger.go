// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Call makes one call with the id, reads its answer to the end, and says which server gave
// it ("" where that is not known).
type Call func(ctx context.Context, id string) (server string, err error)

// Config describes a load.
type Config struct {
	Call Call
	// Rate is how many calls begin in a second; 0 means 100.
	Rate int
	// For is how long calls are begun; 0 means until Stop.
	For time.Duration
	// Timeout is how long one call may take; 0 means 10 s.
	Timeout time.Duration
	// MaxOpen is how many calls may be under way at once; 0 means 10,000. A call that is
	// due beyond it is not sent, and counts as lost.
	MaxOpen int
	// Prefix comes before the number in an id, where several ledgers share receipts.
	Prefix string
}

// ErrFull is the error of a call that was not sent, because too many were under way.
var ErrFull = errors.New("ledger: too many calls under way")

// Record is what is known of one call.
type Record struct {
	ID     string
	Due    time.Time     // when it had to begin
	Late   time.Duration // how much later it did
	Took   time.Duration // from the beginning to the end of the answer
	Server string
	Err    error
}

// Ledger is a load under way, or ended.
type Ledger struct {
	cfg   Config
	begin time.Time
	stop  context.CancelFunc
	done  chan struct{} // closed when the last call has ended

	mu      sync.Mutex // guards records and open
	records []Record   // in the order of the ends
	open    int
}

// Start begins the load. It goes on until cfg.For has passed, Stop is called or ctx ends;
// the end of ctx cancels the calls under way as well.
func Start(ctx context.Context, cfg Config) *Ledger {
	if cfg.Rate <= 0 {
		cfg.Rate = 100
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxOpen <= 0 {
		cfg.MaxOpen = 10_000
	}
	pace, stop := context.WithCancel(ctx)
	l := &Ledger{cfg: cfg, begin: time.Now(), stop: stop, done: make(chan struct{})}
	go l.run(ctx, pace)
	return l
}

// Stop begins no more calls. It does not wait for those under way.
func (l *Ledger) Stop() { l.stop() }

// Wait waits for the last call to end, and reports on all.
func (l *Ledger) Wait() Report {
	<-l.done
	return l.Report()
}

// Begin is when the load began.
func (l *Ledger) Begin() time.Time { return l.begin }

// Records are those of the calls that have ended, in the order of their ends.
func (l *Ledger) Records() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[:len(l.records):len(l.records)]
}

// Open is how many calls are under way.
func (l *Ledger) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// run begins calls until pace ends, and waits for them. Calls live with ctx.
func (l *Ledger) run(ctx, pace context.Context) {
	defer close(l.done)
	defer l.stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		after := time.Duration(n) * time.Second / time.Duration(l.cfg.Rate)
		if l.cfg.For > 0 && after >= l.cfg.For {
			return
		}
		due := l.begin.Add(after)
		timer.Reset(time.Until(due))
		select {
		case <-pace.Done():
			return
		case <-timer.C:
		}
		r := Record{ID: l.id(n), Due: due, Late: time.Since(due)}
		if !l.enter() {
			r.Err = ErrFull
			l.leave(r, false)
			continue
		}
		calls.Go(func() { l.call(ctx, r) })
	}
}

func (l *Ledger) call(ctx context.Context, r Record) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	begin := time.Now()
	r.Server, r.Err = l.cfg.Call(ctx, r.ID)
	r.Took = time.Since(begin)
	l.leave(r, true)
}

// enter counts a call in, unless too many are under way.
func (l *Ledger) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.cfg.MaxOpen {
		return false
	}
	l.open++
	return true
}

// leave records a call, which was sent or was not.
func (l *Ledger) leave(r Record, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	if sent {
		l.open--
	}
}
