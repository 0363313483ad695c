// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// decided is a Recorder that remembers.
type decided []enmesh.Decision

func (d *decided) Record(_ *enmesh.Call, one enmesh.Decision) { *d = append(*d, one) }

// A gate in shadow refuses nothing, hears of what it admitted, and its refusals are told.
func TestShadow(t *testing.T) {
	refusal := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Policy: "breaker"}
	for name, tt := range map[string]struct {
		refuse error
		told   []enmesh.Decision
		heard  int
	}{
		"admitted": {nil, nil, 1},
		"refused":  {refusal, []enmesh.Decision{{Policy: "breaker", Action: enmesh.ActionRefuse, Shadow: true}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			gate, told := &enmeshtest.Gate{}, decided{}
			inner := enmesh.Gate(gate)
			if tt.refuse != nil {
				inner = refusing{gate, tt.refuse}
			}
			w := enmeshtest.NewWire(enmeshtest.Answer(nil))
			err := w.Do(t.Context(), enmesh.Fixed(false, enmesh.Guard(enmesh.Shadow(inner, "breaker", &told))))
			w.Finish(nil)
			if err != nil || w.Sent() != 1 {
				t.Errorf("got %v, sent %d times; want it sent", err, w.Sent())
			}
			if !slices.Equal(told, tt.told) || len(gate.Results()) != tt.heard {
				t.Errorf("told %v and heard %d ends, want %v and %d", told, len(gate.Results()), tt.told, tt.heard)
			}
		})
	}
}

type refusing struct {
	enmesh.Gate
	err error
}

func (r refusing) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, r.err
}

// What must not be sent again here is not worth sending again above: the server's call
// that a client's call is made for hears of it.
func TestDiscourageRetry_reachesTheCallAbove(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"success":              {nil, false},
		"failure":              {errFar, false},
		"told not to":          {&enmesh.Error{Code: enmesh.Unavailable, RetryAfter: -1}, true},
		"told to wait":         {&enmesh.Error{Code: enmesh.Unavailable, RetryAfter: 1}, false},
		"retries are used up":  {&enmesh.Error{Code: enmesh.Unavailable, Flag: "UF,URX", Err: errors.New("gone")}, true},
		"not one of ours":      {errors.New("else"), false},
		"a cancellation of it": {context.Canceled, false},
	} {
		t.Run(name, func(t *testing.T) {
			var server enmesh.Carrier
			server.Begin(t.Context(), enmeshtest.NewWire())
			server.Call.Side = enmesh.Server
			_ = enmeshtest.NewWire(enmeshtest.Answer(tt.err)).Do(&server, enmesh.Fixed(false))
			if got := server.Call.RetryDiscouraged(); got != tt.want {
				t.Errorf("discouraged: %t, want %t", got, tt.want)
			}
		})
	}
	alone := enmeshtest.NewWire(enmeshtest.Answer(&enmesh.Error{RetryAfter: -1}))
	if err := alone.Do(t.Context(), enmesh.Fixed(false)); err == nil {
		t.Error("no error of a call that nobody made")
	}
}

// What a gate would tell a caller of its refusal does not reach him in shadow.
func TestShadow_tellsTheCallerNothing(t *testing.T) {
	c := &enmesh.Call{Side: enmesh.Server, Answer: enmesh.Answer{Header: enmeshtest.Header{}}}
	gate := enmesh.Shadow(&telling{}, "limit", nil)
	if _, err := gate.Admit(t.Context(), c); err != nil || c.Answer.Header == nil || c.Answer.Header.Get("X-Told") != "" {
		t.Errorf("got %v with %v, want nothing told", err, c.Answer.Header)
	}
}

// telling refuses, and says so in the answer's header if there is one.
type telling struct{ enmeshtest.Gate }

func (*telling) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	if c.Answer.Header != nil {
		c.Answer.Header.Set("X-Told", "no")
	}
	return enmesh.Token{}, errors.New("no")
}
