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
