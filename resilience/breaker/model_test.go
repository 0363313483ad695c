// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// model is a breaker that remembers every call of its era and works everything out anew.
type model struct {
	cfg    breaker.Config
	state  breaker.State
	forced bool
	era    int
	since  time.Time // of the era
	ended  []ending
	won    int
	leased map[int]time.Time // probes with a place, by call
}

type ending struct {
	tenth        int64
	failed, slow bool
}

// call is one that was admitted.
type call struct {
	era   int
	probe bool
	at    time.Time
	token enmesh.Token
}

func (m *model) enter(s breaker.State, now time.Time) {
	m.state, m.since, m.ended, m.won, m.leased = s, now, nil, 0, map[int]time.Time{}
	m.era++
}

func (m *model) advance(now time.Time) {
	if m.state == breaker.Open && !m.forced && now.Sub(m.since) >= m.cfg.OpenFor {
		m.enter(breaker.HalfOpen, now)
	}
}

// admit reports whether the call id may go, and whether as a probe.
func (m *model) admit(id int, now time.Time) (ok, probe bool) {
	m.advance(now)
	switch m.state {
	case breaker.Closed:
		return true, false
	case breaker.Open:
		return false, false
	case breaker.HalfOpen:
	}
	for probe, since := range m.leased {
		if now.Sub(since) >= m.cfg.ProbeTimeout {
			delete(m.leased, probe)
		}
	}
	if len(m.leased)+m.won >= int(m.cfg.Probes) {
		return false, true
	}
	m.leased[id] = now
	return true, true
}

func (m *model) tenth(now time.Time) int64 { return int64(now.Sub(m.since) / (m.cfg.Interval / 10)) }

// done takes the end of the call id.
func (m *model) done(id int, c call, o enmesh.Outcome, now time.Time) {
	if c.era != m.era || m.forced {
		return
	}
	slow := m.cfg.SlowAfter != 0 && now.Sub(c.at) > m.cfg.SlowAfter
	if c.probe {
		if _, has := m.leased[id]; !has {
			return
		}
		delete(m.leased, id)
		switch {
		case o == enmesh.Neutral:
		case o == enmesh.Failure || slow:
			m.enter(breaker.Open, now)
		default:
			m.won++
			if m.won == int(m.cfg.Probes) {
				m.enter(breaker.Closed, now)
			}
		}
		return
	}
	if o == enmesh.Neutral {
		return
	}
	m.ended = append(m.ended, ending{m.tenth(now), o == enmesh.Failure, slow})
	if m.trips(o == enmesh.Failure, slow, now) {
		m.enter(breaker.Open, now)
	}
}

// trips works it out from every ending within the window.
func (m *model) trips(failed, slow bool, now time.Time) bool {
	var all, bad, late, row uint32
	for _, e := range m.ended {
		if m.tenth(now)-e.tenth >= 10 {
			continue
		}
		all++
		row++
		if e.failed {
			bad++
		} else {
			row = 0
		}
		if e.slow {
			late++
		}
	}
	enough := all >= m.cfg.MinRequests
	return failed && m.cfg.ConsecutiveFailures != 0 && row >= m.cfg.ConsecutiveFailures ||
		failed && m.cfg.FailureRatio != 0 && enough && float64(bad) >= m.cfg.FailureRatio*float64(all) ||
		slow && enough && float64(late) >= m.cfg.SlowRatio*float64(all)
}

// FuzzBreaker drives a Breaker and the model by the same bytes, in virtual time: the
// lower three bits of each are an operation, the rest say which call, or how long.
func FuzzBreaker(f *testing.F) {
	f.Add(uint8(5), uint8(0), uint8(0), uint8(1), []byte{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 255, 255, 0, 2})
	f.Add(uint8(0), uint8(128), uint8(3), uint8(2), []byte{0, 0, 0, 0, 4, 12, 1, 1, 2, 2, 255, 0, 0, 0, 2, 2})
	f.Add(uint8(3), uint8(200), uint8(1), uint8(3), []byte{0, 36, 1, 0, 36, 1, 0, 2, 252, 252, 0, 0, 0, 5, 6, 7, 0, 1})
	f.Fuzz(func(t *testing.T, row, ratio, slow, probes uint8, ops []byte) {
		if len(ops) > 1000 {
			return
		}
		cfg := breaker.Config{
			ConsecutiveFailures: uint32(row), FailureRatio: float64(ratio) / 255, MinRequests: 4, Interval: time.Second,
			OpenFor: 300 * time.Millisecond, Probes: uint32(probes%4) + 1, ProbeTimeout: 200 * time.Millisecond,
		}
		if slow > 0 {
			cfg.SlowAfter, cfg.SlowRatio = 50*time.Millisecond, float64(slow)/255
		}
		if row == 0 && ratio == 0 && slow == 0 {
			cfg.ConsecutiveFailures = breaker.DefaultConsecutiveFailures
		}
		synctest.Test(t, func(t *testing.T) { drive(t, cfg, ops) })
	})
}

func drive(t *testing.T, cfg breaker.Config, ops []byte) {
	t.Helper()
	b := mustNew(t, cfg)
	m := &model{cfg: cfg}
	m.enter(breaker.Closed, time.Now())
	var calls []call
	var open []int // those that have not ended
	for i, op := range ops {
		now := time.Now()
		switch arg := int(op >> 3); op & 7 {
		case 0, 7:
			token, err := b.Admit(context.Background(), &enmesh.Call{Clock: enmesh.Now()})
			ok, probe := m.admit(len(calls), now)
			if (err == nil) != ok {
				t.Fatalf("operation %d: Admit says %v, want let through: %v (%v)", i, err, ok, m.state)
			}
			if ok {
				open = append(open, len(calls))
				calls = append(calls, call{m.era, probe, now, token})
			}
		case 1, 2, 3:
			if len(open) == 0 {
				continue
			}
			at := arg % len(open)
			id, o := open[at], []enmesh.Outcome{enmesh.Failure, enmesh.Success, enmesh.Neutral}[op&7-1]
			open = slices.Delete(open, at, at+1)
			b.Done(calls[id].token, enmesh.Result{Outcome: o, Ended: enmesh.Now()})
			m.done(id, calls[id], o, now)
		case 4, 5:
			time.Sleep(time.Duration(arg+1) * 7 * time.Millisecond)
			m.advance(time.Now())
		case 6:
			force(b, m, arg, now)
		}
		if got := b.State(); got != m.state {
			t.Fatalf("operation %d (%d): breaker is %v, want %v", i, op&7, got, m.state)
		}
	}
}

func force(b *breaker.Breaker, m *model, arg int, now time.Time) {
	switch arg {
	case 0:
		b.ForceOpen()
		m.forced = true
		m.enter(breaker.Open, now)
	case 1:
		b.ForceClosed()
		m.forced = true
		m.enter(breaker.Closed, now)
	case 2, 3:
		b.Reset()
		m.forced = false
		m.enter(breaker.Closed, now)
	}
}
