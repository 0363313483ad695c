// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience"
)

// model is a budget that remembers every event, in the tenths of its window.
type model struct {
	percent, floor int
	width          enmesh.Instant
	paid, taken    []int64 // the tenth of each
}

// within counts the events of the window that ends with the tenth now.
func within(events []int64, now int64) (n int) {
	for _, at := range events {
		if now-at < 10 && at <= now {
			n++
		}
	}
	return n
}

func (m *model) take(now int64) bool {
	if 100*(within(m.taken, now)+1) > 100*m.floor+m.percent*within(m.paid, now) {
		return false
	}
	m.taken = append(m.taken, now)
	return true
}

// refund takes back the latest one, if it is within the window.
func (m *model) refund(now int64) {
	if n := len(m.taken); n > 0 && now-m.taken[n-1] < 10 {
		m.taken = m.taken[:n-1]
	}
}

// FuzzBudget drives a Budget and the model by the same bytes: each is an operation
// in its lower two bits, and in the rest how many hundredths of the window go by.
func FuzzBudget(f *testing.F) {
	f.Add(uint8(20), uint8(1), []byte{0, 0, 0, 0, 0, 1, 1, 1, 2, 1})
	f.Add(uint8(100), uint8(0), []byte{0, 0, 1, 255, 255, 1, 2, 0, 1, 1})
	f.Add(uint8(50), uint8(3), []byte{0, 40, 44, 41, 45, 42, 46, 61, 62, 60, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, percent, perSecond uint8, ops []byte) {
		if percent == 0 || perSecond > 100 || len(ops) > 2000 {
			return
		}
		cfg := resilience.BudgetConfig{Ratio: float64(percent) / 100, MinPerSecond: int(perSecond), Window: time.Second}
		if perSecond == 0 {
			cfg.MinPerSecond = -1
		}
		b, err := resilience.NewBudget(cfg)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{percent: int(percent), floor: int(perSecond), width: enmesh.Instant(100 * time.Millisecond)}
		at := enmesh.Instant(1000 * time.Second)
		for i, op := range ops {
			at = at.Add(time.Duration(op>>2) * 10 * time.Millisecond)
			now := int64(at / m.width)
			switch op & 3 {
			case 0, 3:
				b.DepositAt(at)
				m.paid = append(m.paid, now)
			case 1:
				if got, want := b.TakeAt(at), m.take(now); got != want {
					t.Fatalf("operation %d: Take is %v, want %v", i, got, want)
				}
			case 2:
				b.RefundAt(at)
				m.refund(now)
			}
		}
	})
}

// exact is a budget whose window has no parts: it remembers every event with its time.
type exact struct {
	percent, floor int
	window         time.Duration
	paid, taken    []enmesh.Instant
}

// since counts the events of the last d, now included.
func since(events []enmesh.Instant, now enmesh.Instant, d time.Duration) (n int) {
	for _, at := range events {
		if now.Sub(at) < d {
			n++
		}
	}
	return n
}

// most is what may have been taken when that many were paid in, in hundredths.
func (e *exact) most(paid int) int { return 100*e.floor + e.percent*paid }

// FuzzBudgetExact holds a Budget to a window without parts. The Budget's own is between
// nine and ten tenths long, so whatever it grants must be within the bound of the exact one
// when takes count for nine tenths and calls for ten, and what it refuses must be beyond the
// bound when it is the other way round.
func FuzzBudgetExact(f *testing.F) {
	f.Add(uint8(20), uint8(1), []byte{0, 0, 0, 0, 0, 1, 1, 1, 2, 1})
	f.Add(uint8(100), uint8(2), []byte{0, 0, 1, 255, 255, 1, 2, 0, 1, 1, 4, 8, 1, 5, 9, 1})
	f.Add(uint8(50), uint8(0), []byte{0, 0, 0, 0, 129, 1, 1, 131, 0, 0, 1, 1, 1, 2, 2, 1, 1})
	f.Fuzz(func(t *testing.T, percent, perSecond uint8, ops []byte) {
		if percent == 0 || perSecond > 50 || len(ops) > 1000 {
			return
		}
		cfg := resilience.BudgetConfig{Ratio: float64(percent) / 100, MinPerSecond: int(perSecond), Window: time.Second}
		if perSecond == 0 {
			cfg.MinPerSecond = -1
		}
		b, err := resilience.NewBudget(cfg)
		if err != nil {
			t.Fatal(err)
		}
		e := &exact{percent: int(percent), floor: int(perSecond), window: time.Second}
		at := enmesh.Instant(1000*time.Second) + 12345
		for i, op := range ops {
			at = at.Add(time.Duration(op>>2) * 7 * time.Millisecond)
			switch op & 3 {
			case 0, 3:
				b.DepositAt(at)
				e.paid = append(e.paid, at)
			case 1:
				e.take(t, i, b, at)
			case 2: // of what may be forgotten already nobody asks a refund
				if n := len(e.taken); n > 0 && at.Sub(e.taken[n-1]) < e.window*9/10 {
					b.RefundAt(at)
					e.taken = e.taken[:n-1]
				}
			}
		}
	})
}

func (e *exact) take(t *testing.T, i int, b *resilience.Budget, at enmesh.Instant) {
	t.Helper()
	short, long := e.window*9/10, e.window
	if b.TakeAt(at) {
		e.taken = append(e.taken, at)
		if got := since(e.taken, at, short); 100*got > e.most(since(e.paid, at, long)) {
			t.Fatalf("operation %d: granted, though %d of 0.9 windows are more than the calls of a whole one allow", i, got)
		}
		return
	}
	if got := since(e.taken, at, long); 100*(got+1) <= e.most(since(e.paid, at, short)) {
		t.Fatalf("operation %d: refused, though %d of a whole window and one more are what the calls of 0.9 allow", i, got)
	}
}
