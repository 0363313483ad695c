// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/limit"
)

func TestFixedWindow_isAlignedToTheClock(t *testing.T) {
	w := must[*limit.FixedWindow](t)(limit.NewFixedWindow(limit.FixedConfig{Limit: 2, Window: time.Minute}))
	for i, tt := range []struct {
		after time.Duration // after the fortieth second of a minute
		n     int
		want  bool
	}{
		{0, 2, true},
		{0, 1, false},
		{20*time.Second - 1, 1, false},
		{20 * time.Second, 2, true}, // the next minute
		{19 * time.Second, 1, false},
		{79 * time.Second, 1, false},
		{80 * time.Second, 3, false},
		{80 * time.Second, 1, true},
	} {
		if got := w.AllowAt(aligned.Add(tt.after), tt.n); got != tt.want {
			t.Errorf("%d: %d units after %v: %v, want %v", i, tt.n, tt.after, got, tt.want)
		}
	}
}
