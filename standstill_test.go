// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// overdue is a context whose deadline passed so long ago, and whose timer has fired just
// now or not yet.
type overdue struct {
	context.Context
	ago   time.Duration
	fired bool
}

func (o overdue) Deadline() (time.Time, bool) { return time.Now().Add(-o.ago), true }

func (o overdue) Err() error {
	if o.fired {
		return context.DeadlineExceeded
	}
	return nil
}

// An attempt that had long enough is the far side's failure, unless the process itself stood
// still; and so is a far side's own DEADLINE_EXCEEDED that is read late.
func TestCall_aStandstillIsNotTheFarSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Policy: "timeout"}
		w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
			enmesh.CarrierOf(ctx).Picked(&enmeshtest.Endpoint{Address: "a:1"}, enmesh.Now())
			time.Sleep(5 * time.Second)
			c.Expiry = own
			for _, tt := range []struct {
				ago        time.Duration
				end, owner *enmesh.Error
			}{
				{0, enmesh.ErrSlow, own},
				{time.Second, enmesh.ErrSlow, own},
				{1100 * time.Millisecond, enmesh.ErrDeadline, enmesh.ErrStandstill},
			} {
				if got := c.EndOf(overdue{ctx, tt.ago, true}); got != tt.end {
					t.Errorf("fired %v late: %v, want %v", tt.ago, got, tt.end)
				}
				if got := c.DeadlineOwner(overdue{ctx, tt.ago, false}); got != tt.owner {
					t.Errorf("read %v late: the owner is %v, want %v", tt.ago, got, tt.owner)
				}
			}
			return nil
		})
		if err := w.Do(t.Context(), enmesh.Fixed(false)); err != nil {
			t.Fatal(err)
		}
		w.Finish(nil)
	})
}

// tally counts what moved.
type tally int

func (n *tally) Moved() { *n++ }

func TestCall_watch(t *testing.T) {
	w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
		k := enmesh.CarrierOf(ctx)
		var first, second tally
		if k.Watcher() != nil || c.Watch(&first) != nil || c.Watch(&second) != enmesh.Watcher(&first) {
			t.Error("the watcher before is not the one that was set")
		}
		k.Watcher().Moved()
		if first != 0 || second != 1 {
			t.Errorf("the first heard %d times, the second %d; want 0 and 1", first, second)
		}
		return nil
	})
	if err := w.Do(t.Context(), enmesh.Fixed(false)); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
}
