// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// receive is the level that a handler finds, and the header that it sees.
func receive(t *testing.T, ctx context.Context, said string, from *enmesh.Peer, trust func(*enmesh.Peer) bool) (level enmesh.Criticality, header string) { //nolint:revive // t first, as in every helper
	t.Helper()
	w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
		level, header = enmesh.CriticalityOf(ctx), c.Header.Get(enmesh.CriticalityHeader)
		return nil
	})
	c := w.Call()
	c.Side, c.Source, c.Header = enmesh.Server, from, enmeshtest.Header{}
	if said != "" {
		c.Header.Set(enmesh.CriticalityHeader, said)
	}
	if err := w.Do(ctx, enmesh.Fixed(false, shed.Receive(trust))); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
	return level, header
}

// TestScenarioO23_nobodyRaisesHimself: who has no verified identity, or is not trusted, may
// say that his call matters less, and not that it matters more.
func TestScenarioO23_nobodyRaisesHimself(t *testing.T) {
	known := &enmesh.Peer{Identity: "spiffe://shop/front"}
	everybody := func(*enmesh.Peer) bool { return true }
	front := func(p *enmesh.Peer) bool { return p != nil && p.Identity == "spiffe://shop/back" }
	for _, tt := range []struct {
		name  string
		said  string
		from  *enmesh.Peer
		trust func(*enmesh.Peer) bool
		want  enmesh.Criticality
		head  string
	}{
		{"nothing said", "", nil, nil, enmesh.Critical, ""},
		{"less", "SHEDDABLE", nil, nil, enmesh.Sheddable, "SHEDDABLE"},
		{"a little less", "SHEDDABLE_PLUS", &enmesh.Peer{}, nil, enmesh.SheddablePlus, "SHEDDABLE_PLUS"},
		{"the default", "CRITICAL", nil, nil, enmesh.Critical, "CRITICAL"},
		{"more, by nobody known", "CRITICAL_PLUS", nil, nil, enmesh.Critical, "CRITICAL"},
		{"more, by nobody verified", "CRITICAL_PLUS", &enmesh.Peer{}, nil, enmesh.Critical, "CRITICAL"},
		{"more, verified", "CRITICAL_PLUS", known, nil, enmesh.CriticalPlus, "CRITICAL_PLUS"},
		{"more, verified and not trusted", "CRITICAL_PLUS", known, front, enmesh.Critical, "CRITICAL"},
		{"more, everybody trusted", "CRITICAL_PLUS", nil, everybody, enmesh.CriticalPlus, "CRITICAL_PLUS"},
		{"not a level", "critical_plus", known, everybody, enmesh.Critical, "critical_plus"},
		{"a number", "1", known, everybody, enmesh.Critical, "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, head := receive(t, t.Context(), tt.said, tt.from, tt.trust); got != tt.want || head != tt.head {
				t.Errorf("got %v and header %q, want %v and %q", got, head, tt.want, tt.head)
			}
		})
	}
	if got, _ := receive(t, of[0], "", nil, nil); got != enmesh.Sheddable {
		t.Errorf("nothing said: got %v, want what the context said before", got)
	}
}

// sent is the header that each attempt carries.
func sent(t *testing.T, ctx context.Context, own string) []string { //nolint:revive // t first, as in every helper
	t.Helper()
	var got []string
	w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
		got = append(got, c.Header.Get(enmesh.CriticalityHeader))
		return nil
	})
	w.Call().Header = enmeshtest.Header{}
	if own != "" {
		w.Call().Header.Set(enmesh.CriticalityHeader, own)
	}
	twice := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			_ = next(ctx, c)
			c.Again()
			return next(ctx, c)
		}
	}
	if err := w.Do(ctx, enmesh.Fixed(true, shed.Send(), twice)); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
	return got
}

func TestSend_goesWithEveryAttempt(t *testing.T) {
	for rank, want := range []string{"SHEDDABLE", "SHEDDABLE_PLUS", "", "CRITICAL_PLUS"} {
		for attempt, got := range sent(t, of[rank], "") {
			if got != want {
				t.Errorf("attempt %d of %v carries %q, want %q", attempt+1, levels[rank], got, want)
			}
		}
	}
	if got := sent(t, of[0], "CRITICAL"); got[0] != "CRITICAL" {
		t.Errorf("the caller's own header is %q, want it kept", got[0])
	}
}

func TestReceive_allocatesNothingByDefault(t *testing.T) {
	next := shed.Receive(nil)(func(context.Context, *enmesh.Call) error { return nil })
	out := shed.Send()(next)
	c := &enmesh.Call{Header: enmeshtest.Header{}}
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { _ = out(ctx, c) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
