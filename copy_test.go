// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"errors"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// plainWire is an Exchange that is nothing besides.
type plainWire struct{ enmesh.Exchange }

func TestCall_Copy(t *testing.T) {
	inner, outer := &enmeshtest.Gate{}, &enmeshtest.Gate{}
	w := enmeshtest.NewWire()
	c := w.Call()
	c.Service, c.Port, c.Subset, c.Path, c.Authority, c.Key = "a", 80, "v1", "/x", "a:80", 7
	err := w.Do(t.Context(), enmesh.Fixed(true, enmesh.Guard(outer), func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			k, err := c.Copy(context.Background())
			if err != nil {
				return err
			}
			d := &k.Call
			if d.Destination != c.Destination || d.Path != "/x" || d.Authority != "a:80" || d.Key != 7 || d.Route != nil || d.Attempt != 1 {
				t.Errorf("the copy is of %v, %q at %q", d.Destination, d.Path, d.Authority)
			}
			route := &enmesh.Route{Name: "b", Destination: enmesh.Destination{Service: "b"}, Next: enmesh.Chain(enmesh.Guard(inner))(enmesh.Send)}
			k.Enter(enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route { return route }))
			err = k.Run()
			if inner.Settled() == nil {
				t.Error("the copy ended before Finish, with its answer unread")
			}
			k.Finish(err)
			if d.Destination != (enmesh.Destination{Service: "b", Port: 80}) || err != nil {
				t.Errorf("the copy went to %v: %v", d.Destination, err)
			}
			if c.HasTried() || c.Service != "a" {
				t.Error("the copy counts as an attempt of the call")
			}
			return next(ctx, c)
		}
	}))
	w.Finish(nil)
	if err != nil || w.Sent() != 2 {
		t.Errorf("%v, %d sent; want the call and its copy", err, w.Sent())
	}
	for _, g := range []*enmeshtest.Gate{inner, outer} {
		if err := g.Settled(); err != nil || g.Results()[0].Outcome != enmesh.Success {
			t.Errorf("gate: %v, %v", err, g.Results())
		}
	}
}

func TestCall_withoutCopies(t *testing.T) {
	var k enmesh.Carrier
	k.Begin(t.Context(), plainWire{enmeshtest.NewWire()})
	if _, err := k.Call.Copy(t.Context()); !errors.Is(err, enmesh.ErrNoCopy) {
		t.Errorf("copied with %v, want ErrNoCopy", err)
	}
	if path, raw := k.Call.Written(); path != "" || raw != "" {
		t.Errorf("written %q, %q by a wire that does not know", path, raw)
	}
}
