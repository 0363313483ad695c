// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// diary writes down what its gates hear.
type diary struct{ lines []string }

type diaryGate struct {
	d      *diary
	n      uint64
	refuse error
	panics bool
}

func (g *diaryGate) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	if g.panics {
		panic("gate")
	}
	if g.refuse != nil {
		return enmesh.Token{}, g.refuse
	}
	g.d.lines = append(g.d.lines, fmt.Sprint("admit ", g.n))
	return enmesh.Token{N: g.n}, nil
}

func (g *diaryGate) Done(t enmesh.Token, r enmesh.Result) {
	g.d.lines = append(g.d.lines, fmt.Sprint("done ", t.N, " ", r.Outcome))
}

// gated is an endpoint with n gates; change edits them.
func gated(n int, change func(gs []*diaryGate)) (*balance.Endpoint, *diary) {
	d := &diary{}
	gs := make([]*diaryGate, n)
	for i := range gs {
		gs[i] = &diaryGate{d: d, n: uint64(i)}
	}
	if change != nil {
		change(gs)
	}
	c := balance.NewCluster(balance.ClusterConfig{Gates: func(*balance.Endpoint) (out []enmesh.Gate) {
		for _, g := range gs {
			out = append(out, g)
		}
		return out
	}})
	c.Apply(told(1, nil))
	return c.Set().Endpoints[0], d
}

func TestAdmission_gatesInOrderAndBack(t *testing.T) {
	for _, n := range []int{0, 1, 3, 5} {
		e, d := gated(n, nil)
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint("admit ", i))
		}
		for i := n - 1; i >= 0; i-- {
			want = append(want, fmt.Sprint("done ", i, " success"))
		}
		var a balance.Admission
		if err := e.Admit(t.Context(), nil, enmesh.Now(), &a); err != nil {
			t.Fatal(err)
		}
		if got := e.InFlight(); got != 1 {
			t.Errorf("%d gates: in flight after Admit = %d, want 1", n, got)
		}
		a.Release(enmesh.Result{Ended: enmesh.Now()})
		a.Release(enmesh.Result{Ended: enmesh.Now()})
		if got := e.InFlight(); got != 0 {
			t.Errorf("%d gates: in flight after Release = %d, want 0", n, got)
		}
		if !slices.Equal(d.lines, want) {
			t.Errorf("%d gates heard %q, want %q", n, d.lines, want)
		}
	}
}

func TestAdmission_refusalGivesBackAsNeutral(t *testing.T) {
	refusal := errors.New("full")
	for _, n := range []int{3, 6} {
		e, d := gated(n, func(gs []*diaryGate) { gs[n-1].refuse = refusal })
		var a balance.Admission
		if err := e.Admit(t.Context(), nil, enmesh.Now(), &a); err != refusal {
			t.Fatalf("Admit = %v, want the gate's own error", err)
		}
		a.Release(enmesh.Result{})
		var want []string
		for i := range n - 1 {
			want = append(want, fmt.Sprint("admit ", i))
		}
		for i := n - 2; i >= 0; i-- {
			want = append(want, fmt.Sprint("done ", i, " neutral"))
		}
		if !slices.Equal(d.lines, want) || e.InFlight() != 0 {
			t.Errorf("gates heard %q, want %q; in flight %d, want 0", d.lines, want, e.InFlight())
		}
	}
}

func TestAdmission_panicGivesBack(t *testing.T) {
	e, d := gated(3, func(gs []*diaryGate) { gs[2].panics = true })
	func() {
		defer func() { _ = recover() }()
		var a balance.Admission
		_ = e.Admit(context.Background(), nil, enmesh.Now(), &a)
	}()
	want := []string{"admit 0", "admit 1", "done 1 neutral", "done 0 neutral"}
	if !slices.Equal(d.lines, want) || e.InFlight() != 0 {
		t.Errorf("gates heard %q, want %q; in flight %d, want 0", d.lines, want, e.InFlight())
	}
}

func TestAdmission_settlesWhereItWasAdmitted(t *testing.T) {
	before, after := &diary{}, &diary{}
	gates := func(d *diary) func(*balance.Endpoint) []enmesh.Gate {
		return func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{&diaryGate{d: d}} }
	}
	c := balance.NewCluster(balance.ClusterConfig{Gates: gates(before)})
	c.Apply(told(1, nil))
	e := c.Set().Endpoints[0]
	var a balance.Admission
	if err := e.Admit(t.Context(), nil, enmesh.Now(), &a); err != nil {
		t.Fatal(err)
	}
	c.Configure(balance.ClusterConfig{Gates: gates(after)})
	a.Release(enmesh.Result{Ended: enmesh.Now()})
	if len(before.lines) != 2 || len(after.lines) != 0 {
		t.Errorf("old gate heard %q, new one %q; want admit and done, nothing", before.lines, after.lines)
	}
}

func TestAdmission_learns(t *testing.T) {
	const ms = time.Millisecond
	now := enmesh.Now()
	for _, tc := range []struct {
		name      string
		r         enmesh.Result
		low, high time.Duration
	}{
		{"success teaches the head's latency", enmesh.Result{Answered: now.Add(20 * ms), Ended: now.Add(5 * time.Second)}, 20 * ms, 20 * ms},
		{"an hour-old head is old news", enmesh.Result{Answered: now.Add(20 * ms), Ended: now.Add(time.Hour)}, 0, 0},
		{"no answer teaches the end", enmesh.Result{Ended: now.Add(20 * ms)}, 20 * ms, 20 * ms},
		{"neutral teaches nothing", enmesh.Result{Err: enmesh.ErrCanceled, Outcome: enmesh.Neutral, Ended: now.Add(20 * ms)}, 0, 0},
		{"a first failure costs a second", enmesh.Result{Err: errServer, Outcome: enmesh.Failure, Ended: now.Add(ms)}, time.Second, time.Second},
		{"a slow failure costs its time", enmesh.Result{Err: enmesh.ErrSlow, Outcome: enmesh.Failure, Ended: now.Add(8 * time.Second)}, 8 * time.Second, 8 * time.Second},
		{"pushback costs what it asks", enmesh.Result{
			Err:     &enmesh.Error{Outcome: enmesh.Failure, RetryAfter: time.Minute},
			Outcome: enmesh.Failure, Ended: now.Add(ms),
		}, time.Minute, time.Minute},
		{"pushback is bounded", enmesh.Result{
			Err:     &enmesh.Error{Outcome: enmesh.Failure, RetryAfter: 24 * time.Hour},
			Outcome: enmesh.Failure, Ended: now.Add(ms),
		}, 300 * time.Second, 300 * time.Second},
		{"an end before the pick teaches nothing", enmesh.Result{Ended: now - 1}, 0, 0},
	} {
		e := endpoints(1, nil)[0]
		var a balance.Admission
		if err := e.Admit(t.Context(), nil, now, &a); err != nil {
			t.Fatal(err)
		}
		a.Release(tc.r)
		// The estimate is a float32: seven digits.
		slack := tc.high / 1_000_000
		if got := e.Latency(); got < tc.low-slack || got > tc.high+slack {
			t.Errorf("%s: latency = %v, want %v", tc.name, got, tc.high)
		}
	}
}
