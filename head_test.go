// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// What edits the head of the answer is the call's: the innermost is first, and no attempt,
// in sequence or beside another, loses it.
func TestCall_headEdits(t *testing.T) {
	marks := func(text string) enmesh.Middleware {
		return func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error {
				c.OnHead(func(h enmesh.Header) { h.Add("Mark", text) })
				return next(ctx, c)
			}
		}
	}
	again := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := next(ctx, c); err == nil || !c.Again() {
				t.Fatalf("error %v, want one and a call that can be sent again", err)
			}
			return next(ctx, c)
		}
	}
	beside := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			forked, fork, err := c.Fork(ctx)
			if err != nil {
				t.Fatal(err)
			}
			err = next(forked, fork)
			c.Adopt(fork)
			return err
		}
	}
	replies := func(enmesh.Next) enmesh.Next {
		return func(_ context.Context, c *enmesh.Call) error { return c.SetReply(&enmesh.Reply{Status: 200}, nil) }
	}
	for name, tt := range map[string]struct {
		chain []enmesh.Middleware
		steps []enmeshtest.Step
		want  string
	}{
		"none":              {nil, nil, ""},
		"two":               {[]enmesh.Middleware{marks("outer"), marks("inner")}, nil, "inner outer"},
		"a second attempt":  {[]enmesh.Middleware{marks("call"), again}, []enmeshtest.Step{enmeshtest.Answer(errFar), enmeshtest.Answer(nil)}, "call"},
		"a fork":            {[]enmesh.Middleware{marks("call"), beside}, nil, "call"},
		"an answer made up": {[]enmesh.Middleware{marks("call"), replies}, nil, "call"},
		"a fork's reply":    {[]enmesh.Middleware{marks("call"), beside, replies}, nil, "call"},
	} {
		w := enmeshtest.NewWire(tt.steps...)
		if err := w.Do(t.Context(), enmesh.Fixed(false, tt.chain...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h := enmeshtest.Header{}
		if edit := w.Call().HeadEdit(); edit != nil {
			edit(h)
		}
		if got := strings.Join(h["Mark"], " "); got != tt.want {
			t.Errorf("%s: marks %q, want %q", name, got, tt.want)
		}
	}
}
