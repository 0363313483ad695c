// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

func TestKeysOf(t *testing.T) {
	h := enmeshtest.Header{"A": {"1"}, "B": {"2", "3"}}
	if got := slices.Sorted(enmesh.KeysOf(h)); !slices.Equal(got, []string{"A", "B"}) {
		t.Errorf("got the keys %v, want A and B", got)
	}
	var silent struct{ enmesh.Header }
	if got := slices.Collect(enmesh.KeysOf(silent)); len(got) != 0 {
		t.Errorf("a header that cannot list: got the keys %v, want none", got)
	}
}
