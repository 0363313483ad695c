// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package longpoll

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// ErrKeepIndex marks a failure, by being in its tree, after which the index still holds: the
// server is there, and refused or had no answer.
var ErrKeepIndex = errors.New("the server is there")

// Query is what to ask.
type Query struct {
	Index uint64        // to wait beyond; 0 asks for the present state, at once
	Wait  time.Duration // how long the server may block; 0 when Index is
	Limit time.Duration // how long to wait for the answer: Wait, the jitter that servers add to it, and a margin
}

// Answer is what the server said.
type Answer struct {
	Index   uint64 // 0: none, or none that can be read
	Changed bool   // it brought something new
}

// Func asks once. It is never called twice at once.
type Func func(context.Context, Query) (Answer, error)

// Config has the loop's times. The zero value is fit for production.
type Config struct {
	Wait    time.Duration // how long a query blocks; 0 means 60 s, at most 10 min
	Timeout time.Duration // for a query that does not block, and what is added for one that does; 0 means 10 s
	Every   time.Duration // between answers that bring nothing new, after a burst of 2; 0 means 5 s
	Blind   time.Duration // between queries that do not block; 0 means 1.5 s
	Base    time.Duration // of the wait after a failure, doubled by each in a row; 0 means 100 ms
	Cap     time.Duration // of that wait; 0 means 10 s
}

// between is the time between answers that bring something new, after a burst of 2.
const between = 250 * time.Millisecond

// Loop follows one thing. It belongs to one goroutine.
type Loop struct {
	cfg   Config
	ask   Func
	index uint64
	fails int
	news  bucket
	idle  bucket
	blind bucket
}

// New makes a loop. It refuses a Config with a negative time, or with a Wait above 10 min.
func New(cfg Config, ask Func) (*Loop, error) {
	for _, f := range []struct {
		name      string
		value     *time.Duration
		otherwise time.Duration
	}{
		{"Wait", &cfg.Wait, time.Minute},
		{"Timeout", &cfg.Timeout, 10 * time.Second},
		{"Every", &cfg.Every, 5 * time.Second},
		{"Blind", &cfg.Blind, 1500 * time.Millisecond},
		{"Base", &cfg.Base, 100 * time.Millisecond},
		{"Cap", &cfg.Cap, 10 * time.Second},
	} {
		if *f.value < 0 {
			return nil, fmt.Errorf("longpoll: %s is %v; it may not be negative", f.name, *f.value)
		}
		if *f.value == 0 {
			*f.value = f.otherwise
		}
	}
	if cfg.Wait > 10*time.Minute {
		return nil, fmt.Errorf("longpoll: Wait is %v; at most 10m is served", cfg.Wait)
	}
	return &Loop{cfg: cfg, ask: ask, news: bucket{every: between}, idle: bucket{every: cfg.Every}, blind: bucket{every: cfg.Blind}}, nil
}

// Run asks until ctx ends.
func (l *Loop) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if !sleep(ctx, l.Step(ctx)) {
			return
		}
	}
}

// Step asks once, and says how long to wait before the next time.
func (l *Loop) Step(ctx context.Context) time.Duration {
	q := Query{Index: l.index, Limit: l.cfg.Timeout}
	if q.Index > 0 {
		q.Wait = l.cfg.Wait
		q.Limit = q.Wait + q.Wait/16 + l.cfg.Timeout
	}
	limited, cancel := context.WithTimeout(ctx, q.Limit)
	answer, err := l.ask(limited, q)
	cancel()
	if err != nil {
		return l.failed(err)
	}
	l.fails = 0
	return l.pace(q, answer)
}

// failed notes a failure.
func (l *Loop) failed(err error) time.Duration {
	if !errors.Is(err, ErrKeepIndex) && !errors.Is(err, context.DeadlineExceeded) {
		l.index = 0
	}
	bound := l.cfg.Cap
	if l.fails < 20 {
		bound = min(bound, l.cfg.Base<<l.fails)
	}
	l.fails++
	return rand.N(bound + 1)
}

// pace takes the index of an answer, and says when to ask again.
func (l *Loop) pace(q Query, a Answer) time.Duration {
	switch {
	case a.Index == 0: // 0 would never block, and from 1 on servers do where they can
		l.index = 1
		return l.blind.take(time.Now())
	case a.Index < q.Index:
		l.index = 0
		return l.blind.take(time.Now())
	}
	l.index = a.Index
	if a.Changed || q.Index == 0 {
		return l.news.take(time.Now())
	}
	return l.idle.take(time.Now())
}

// bucket is a token bucket with room for two.
type bucket struct {
	every time.Duration
	free  time.Time // when both tokens are there again
}

// take takes a token and says how long to wait for it.
func (b *bucket) take(now time.Time) time.Duration {
	if b.free.Before(now) {
		b.free = now
	}
	b.free = b.free.Add(b.every)
	return max(0, b.free.Sub(now)-2*b.every)
}

// sleep waits for d and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
