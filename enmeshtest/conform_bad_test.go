// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// badName names to a process of this test which policy it is to put through the kit.
const badName = "ENMESHTEST_BAD"

// bad are policies with one fault each, and what the kit has to say of it.
var bad = map[string]struct {
	test func(t *testing.T)
	says string
}{
	"slow Done":              {gate(func() enmesh.Gate { return slow{} }), "it must not block"},
	"stuck Done":             {gate(func() enmesh.Gate { return stuck{} }), "it must not block"},
	"refusal without a name": {gate(func() enmesh.Gate { return rude{} }), "want a Neutral *enmesh.Error that names its policy"},
	"permits for good":       {gate(func() enmesh.Gate { return &leaky{} }), "what they held was not given back"},
	"permits of failures for good": {
		gate(func() enmesh.Gate { return &leaky{returns: []enmesh.Outcome{enmesh.Success, enmesh.Neutral}} }),
		"opens_again_after_failures",
	},
	"permits of picks thrown away for good": {gate(func() enmesh.Gate { return &careless{} }), "opens_again_after_picks_thrown_away"},
	"asks the call of a pick":               {gate(func() enmesh.Gate { return curious{} }), "Done panicked"},
	"eight places":                          {func(t *testing.T) { enmeshtest.TestMiddleware(t, cramped) }, "many_at_once"},
	"lost fork":                             {middleware(forgetful), "still open"},
	"chain that goes on":                    {middleware(runaway), "still open"},
}

func gate(build func() enmesh.Gate) func(*testing.T) {
	return func(t *testing.T) { enmeshtest.TestGate(t, build) }
}

func middleware(m enmesh.Middleware) func(*testing.T) {
	return func(t *testing.T) { enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return m }) }
}

type slow struct{ counter }

func (slow) Done(enmesh.Token, enmesh.Result) { <-time.After(time.Millisecond) }

type stuck struct{ counter }

func (stuck) Done(enmesh.Token, enmesh.Result) { <-time.After(time.Hour) }

type rude struct{ counter }

func (rude) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, errors.New("no")
}

// leaky admits ten calls at once, and takes a call's place back only after one of some
// outcomes.
type leaky struct {
	running atomic.Int64
	returns []enmesh.Outcome
}

func (l *leaky) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	if l.running.Add(1) > 10 {
		l.running.Add(-1)
		return enmesh.Token{}, &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "leaky"}
	}
	return enmesh.Token{}, nil
}

func (l *leaky) Done(_ enmesh.Token, r enmesh.Result) {
	for _, o := range l.returns {
		if r.Outcome == o {
			l.running.Add(-1)
		}
	}
}

// careless thinks that a call that was not sent took nothing.
type careless struct{ leaky }

func (c *careless) Done(_ enmesh.Token, r enmesh.Result) {
	if !errors.Is(r.Err, enmesh.ErrUnsent) {
		c.running.Add(-1)
	}
}

// curious wants to know what call has ended, which nobody tells below the pick.
type curious struct{ counter }

func (curious) Done(_ enmesh.Token, r enmesh.Result) { _ = r.Call.Method }

// cramped makes its attempts in eight places, one after the other: a ninth call at once
// takes the place of another's attempt.
func cramped() enmesh.Middleware {
	var places [8]atomic.Pointer[enmesh.Call]
	var calls atomic.Uint64
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) (err error) {
			forked, fork, err := c.Fork(ctx)
			if err != nil {
				return next(ctx, c)
			}
			place := &places[calls.Add(1)%8]
			place.Store(fork)
			err = enmesh.ErrPanic
			defer func() {
				if err != nil {
					place.Load().Drop(err)
					return
				}
				c.Adopt(place.Load())
			}()
			err = next(forked, fork)
			return err
		}
	}
}

// forgetful makes an attempt beside the call, and neither takes nor drops it.
func forgetful(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		if forked, fork, err := c.Fork(ctx); err == nil {
			_ = next(forked, fork)
		}
		return next(ctx, c)
	}
}

// runaway leaves its attempt running when it returns.
func runaway(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		forked, fork, err := c.Fork(ctx)
		if err != nil {
			return next(ctx, c)
		}
		go func() {
			defer func() { _ = recover() }()
			_ = next(forked, fork)
		}()
		return next(ctx, c)
	}
}

// A kit that finds no fault in a bad policy is worth nothing: each one here is put
// through it in a process of its own, which has to fail and to say why.
func TestConformance_badPolicies(t *testing.T) {
	if name := os.Getenv(badName); name != "" {
		bad[name].test(t)
		return
	}
	for name, tt := range bad {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestConformance_badPolicies$", "-test.timeout", "1m")
			cmd.Env = append(os.Environ(), badName+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("the kit let it pass: %v\n%s", err, out)
			}
			if !strings.Contains(string(out), tt.says) {
				t.Errorf("the kit does not say %q:\n%s", tt.says, out)
			}
		})
	}
}
