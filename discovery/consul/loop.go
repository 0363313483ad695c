// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// loop follows a service in one datacenter: ask, take the answer, ask again. There is
// one query at a time, so an older answer cannot come after a newer one, and an
// answer that comes after the loop was ended is dropped, as is one that a Lookup has
// overtaken.
type loop struct {
	reg     *Registry
	watch   *watch
	place   int // among the datacenters
	service string
	dc      string

	overtaken atomic.Pointer[mark] // by the last Lookup

	cursor  cursor
	remote  string // who gave the index
	pace    *pacer
	last    result
	paused  bool // before the query under way: see glance
	trouble trouble
	lagging bool
	hidden  bool
	rejects string
	stats   stats
}

// mark is an index that was known at a time.
type mark struct {
	index uint64
	at    time.Time
}

// late reports whether the answer says what was true before a Lookup's, and was asked
// for before that came.
func (l *loop) late(ans *answer) bool {
	m := l.overtaken.Load()
	return m != nil && ans.index > 0 && ans.index < m.index && ans.asked.Before(m.at)
}

func newLoop(r *Registry, w *watch, place int, service, dc string) *loop {
	return &loop{
		reg: r, watch: w, place: place, service: service, dc: dc,
		pace: newPacer(r.cfg.Pace), trouble: trouble{prober: r.prober, backoff: backoff{cfg: r.cfg.Backoff}},
	}
}

func (l *loop) run(ctx context.Context) {
	defer l.trouble.over()
	if _, ok := sleep(ctx, l.reg.starts.delay(), nil); !ok {
		return
	}
	for ctx.Err() == nil {
		ans, err := l.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case errors.Is(err, errMoved):
			l.restart()
			continue // at once: the query has not been answered
		case err == nil:
			err = l.take(ctx, ans)
		}
		if err != nil {
			l.fail(err)
			if !l.trouble.wait(ctx, 0) {
				return
			}
			continue
		}
		l.recovered()
		paused, ok := l.pace.wait(ctx, l.last)
		if !ok {
			return
		}
		l.paused = paused
	}
}

// glance is how long the first query after a pause blocks. Were a snapshot restored in the
// pause, the index might be beyond Consul's own, and such a query blocks to its end.
const glance = time.Second

// ask puts one query, in one of the slots that bound how many block at the agent.
func (l *loop) ask(ctx context.Context) (answer, error) {
	slots := l.reg.slots
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	defer func() { <-slots }()
	cfg := &l.reg.cfg
	q := query{service: cfg.name(l.service), dc: l.dc, index: l.cursor.index, wait: cfg.Wait, last: l.remote}
	const turn, short = 5 * time.Second, 100 * time.Millisecond
	if len(slots) == cap(slots) {
		q.wait = min(q.wait, turn) // others may be waiting for a slot
	}
	if l.paused {
		q.wait = min(q.wait, glance)
	}
	if l.trouble.on {
		q.wait = min(q.wait, short) // to hear soon that all is well again
	}
	return l.reg.ask(ctx, q)
}

// take takes an answer: its index, then its instances.
func (l *loop) take(ctx context.Context, ans answer) error {
	sent := l.cursor.index
	l.remote = ans.remote
	moved, paused := l.cursor.advance(ans.index), l.paused
	l.paused = false
	l.stats.polled(&ans, moved)
	l.notice(&ans, moved)
	if moved == backwards {
		l.last = blind // not to be believed before it is confirmed from the start
		l.reg.cfg.event(l.event(BadIndex, nil, fmt.Sprintf("it went from %d back to %d", sent, ans.index)))
		return nil
	}
	if l.late(&ans) {
		l.last = changed // there is more to hear of
		return nil
	}
	if ans.leaderless || ans.early {
		// The next answer may be another server's, or this one's after a snapshot was
		// restored: that wakes those who wait, once, with what was before.
		l.cursor.reset()
	}
	if err := l.reg.credible(ctx, ans, true); err != nil {
		l.cursor.reset() // what is wrong may be put right without moving the index
		return err
	}
	news := l.watch.took(l.place, ans.eps)
	l.stats.took(len(ans.eps), news)
	switch {
	case news:
		l.last = changed
	case moved == useless, ans.early, sent == 0: // from the start: nothing blocks yet, and changes go unseen
		l.last = blind
	case paused && ans.index == sent:
		l.last = settled
	default:
		l.last = unchanged
	}
	return nil
}

// fail notes a failure. The index stays where the agent was there and had no answer;
// where the connection broke, who answers next may be another, or the same one with
// all forgotten.
func (l *loop) fail(err error) {
	switch reasonOf(err) {
	case Status, Timeout, Denied:
	default:
		l.restart()
	}
	err = named(err, l.service, l.dc)
	if l.stats.failed(err) {
		l.reg.cfg.event(l.event(Failing, err, ""))
	}
	l.watch.failed(l.place, err)
}

func (l *loop) restart() {
	l.cursor.reset()
	l.remote = ""
}

func (l *loop) recovered() {
	l.trouble.over()
	if l.stats.recovered() {
		l.reg.cfg.event(l.event(Recovered, nil, ""))
	}
}

// notice tells of what is odd about an answer, once while it lasts.
func (l *loop) notice(ans *answer, m move) {
	const lag = 30 * time.Second
	if now := ans.contact > lag; now != l.lagging {
		l.lagging = now
		if now {
			l.reg.cfg.event(l.event(Lagging, nil, fmt.Sprintf("the server has not heard of the leader for %v", ans.contact)))
		}
	}
	if now := ans.filtered && ans.listed > 0; now != l.hidden {
		l.hidden = now
		if now {
			l.reg.cfg.event(l.event(Restricted, nil, "the token may not see all instances"))
		}
	}
	if now := ans.rejects.String(); now != l.rejects {
		l.rejects = now
		if now != "" {
			l.reg.cfg.event(l.event(Rejected, nil, fmt.Sprintf("of %d instances: %s", ans.listed, now)))
		}
	}
	if m == useless && l.last != blind {
		l.reg.cfg.event(l.event(BadIndex, nil, "there is none that can be used"))
	}
}

func (l *loop) event(kind EventKind, err error, detail string) Event {
	return Event{Kind: kind, Service: l.service, Datacenter: l.dc, Err: err, Detail: detail}
}
