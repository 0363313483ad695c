// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package statusset_test

import (
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh/internal/statusset"
)

func TestSet(t *testing.T) {
	var s statusset.Set
	for text, want := range map[string]bool{
		"599": true, "100": true, "503": true, "163": true, "164": true,
		"": false, "99": false, "099": false, "600": false, "+50": false, "-50": false, "5e2": false, "0503": false,
	} {
		if got := s.Parse(text); got != want {
			t.Errorf("Parse(%q) = %v, want %v", text, got, want)
		}
	}
	if s.Add(99) || s.Add(600) || s.Add(-1) || !s.Add(503) {
		t.Error("Add takes 100 to 599")
	}
	if got, want := slices.Collect(s.All()), []int{100, 163, 164, 503, 599}; !slices.Equal(got, want) {
		t.Errorf("All() = %v, want %v", got, want)
	}
	for _, status := range []int{-1, 0, 99, 101, 162, 165, 600, 1 << 40} {
		if s.Has(status) {
			t.Errorf("Has(%d)", status)
		}
	}
	for range s.All() {
		break
	}
}
