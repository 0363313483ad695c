// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package slack_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/slack"
)

func TestKeeper_keepsBack(t *testing.T) {
	for _, tt := range []struct {
		keeper     slack.Keeper
		off        bool
		left, want time.Duration
	}{
		{slack.Keeper{}, false, 100 * time.Millisecond, time.Millisecond},
		{slack.Keeper{}, false, 500 * time.Millisecond, 5 * time.Millisecond},
		{slack.Keeper{}, false, time.Hour, 5 * time.Millisecond},
		{slack.Keeper{}, false, 0, 0},
		{slack.Keeper{}, false, -time.Second, 0},
		{slack.Fixed(30 * time.Millisecond), false, time.Second, 30 * time.Millisecond},
		{slack.Fixed(0), true, time.Second, 0},
		{slack.Fixed(-1), true, time.Second, 0},
	} {
		if got := tt.keeper.Of(tt.left); got != tt.want || tt.keeper.Off() != tt.off {
			t.Errorf("%+v keeps %v of %v, off %v; want %v, %v", tt.keeper, got, tt.left, tt.keeper.Off(), tt.want, tt.off)
		}
	}
}

// However many hops there are, up to ten, all that they keep back is within the 50 ms in
// which the far side's word is the deadline's own.
func TestOf_overTenHops(t *testing.T) {
	const whole = time.Hour
	left := whole
	for range 10 {
		left -= slack.Of(left)
	}
	if kept := whole - left; kept > 50*time.Millisecond {
		t.Errorf("ten hops keep %v back, want at most 50ms", kept)
	}
}
