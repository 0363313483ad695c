// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// shown is a wire that shows its request and its answer.
type shown struct{ *enmeshtest.Wire }

func (shown) RequestBody(limit int) ([]byte, bool) { return []byte("ask"), limit >= 3 }

func (shown) Capture(_ int, then func(*enmesh.Reply)) bool {
	then(&enmesh.Reply{Status: 200, Body: []byte("answer")})
	return true
}

func TestCall_showsWhatItsWireShows(t *testing.T) {
	look := func(c *enmesh.Call, limit int) (body, answer string, ok bool) {
		asked, had := c.RequestBody(limit)
		captured := c.Capture(limit, func(r *enmesh.Reply) { answer = string(r.Body) })
		return string(asked), answer, had && captured
	}
	w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
		if body, answer, ok := look(c, 100); ok || body != "" || answer != "" {
			t.Errorf("a wire that shows nothing shows %q and %q", body, answer)
		}
		return nil
	})
	if err := w.Do(t.Context(), enmesh.Fixed(false)); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
	var k enmesh.Carrier
	k.Begin(t.Context(), shown{enmeshtest.NewWire()})
	if body, answer, ok := look(&k.Call, 100); !ok || body != "ask" || answer != "answer" {
		t.Errorf("shown %q and %q, want ask and answer", body, answer)
	}
	if _, _, ok := look(&k.Call, 1); ok {
		t.Error("a request of three bytes is shown within one")
	}
}
