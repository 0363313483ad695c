// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// counting is an Exchange that knows its bytes.
type counting struct{ *enmeshtest.Wire }

func (counting) Sizes() (request, answer int64) { return 100, 4000 }

func TestCall_sizesAreTheAdapters(t *testing.T) {
	for name, tt := range map[string]struct {
		wire            enmesh.Exchange
		request, answer int64
	}{
		"counted":     {counting{enmeshtest.NewWire()}, 100, 4000},
		"not counted": {enmeshtest.NewWire(), -1, -1},
	} {
		var k enmesh.Carrier
		k.Begin(t.Context(), tt.wire)
		if request, answer := k.Call.Sizes(); request != tt.request || answer != tt.answer {
			t.Errorf("%s: sizes %d and %d, want %d and %d", name, request, answer, tt.request, tt.answer)
		}
	}
}

func TestResult_namesItsCall(t *testing.T) {
	gate := &enmeshtest.Gate{}
	for _, err := range []error{nil, errFar} { // at the end, and at once
		w := enmeshtest.NewWire(enmeshtest.Answer(err))
		_ = w.Do(t.Context(), enmesh.Fixed(false, enmesh.Guard(gate)))
		w.Finish(nil)
		results := gate.Results()
		if got := results[len(results)-1].Call; got != w.Call() {
			t.Errorf("after %v the result names %p, want %p", err, got, w.Call())
		}
	}
}
