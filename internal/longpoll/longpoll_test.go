// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package longpoll_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/internal/longpoll"
)

// step is an answer, and the index that the query before it must have had.
type step struct {
	sent   uint64
	answer longpoll.Answer
	err    error
}

// play runs a loop through the steps, and then until ctx ends.
func play(t *testing.T, cfg longpoll.Config, steps []step) (asked []time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin, n := time.Now(), 0
	loop, err := longpoll.New(cfg, func(_ context.Context, q longpoll.Query) (longpoll.Answer, error) {
		s := steps[n]
		if q.Index != s.sent {
			t.Errorf("query %d: asked beyond %d, want %d", n, q.Index, s.sent)
		}
		asked = append(asked, time.Since(begin))
		n++
		if n == len(steps) {
			cancel()
		}
		return s.answer, s.err
	})
	if err != nil {
		t.Fatal(err)
	}
	loop.Run(ctx)
	return asked
}

func TestLoop_index(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		play(t, longpoll.Config{}, []step{
			{sent: 0, answer: longpoll.Answer{Index: 10, Changed: true}},
			{sent: 10, answer: longpoll.Answer{Index: 12, Changed: true}},
			{sent: 12, answer: longpoll.Answer{Index: 3}}, // backwards: from the start
			{sent: 0, answer: longpoll.Answer{Index: 3, Changed: true}},
			{sent: 3, answer: longpoll.Answer{}}, // none
			{sent: 1, answer: longpoll.Answer{Index: 9}},
			{sent: 9, err: fmt.Errorf("a 500: %w", longpoll.ErrKeepIndex)},
			{sent: 9, err: context.DeadlineExceeded},
			{sent: 9, err: errors.New("the connection broke")},
			{sent: 0, answer: longpoll.Answer{Index: 9}},
		})
	})
}

// Answers that bring nothing new come at most every 5 s after a burst, also from a server
// that does not block, and one without an index is asked every 1.5 s.
func TestLoop_pace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		same := []step{{sent: 0, answer: longpoll.Answer{Index: 5}}}
		for range 20 {
			same = append(same, step{sent: 5, answer: longpoll.Answer{Index: 5}})
		}
		asked := play(t, longpoll.Config{}, same)
		if got := asked[len(asked)-1]; got < 80*time.Second || got > 100*time.Second {
			t.Errorf("20 answers without news took %v, want about 90 s", got)
		}
		blind := []step{{sent: 0}}
		for range 20 {
			blind = append(blind, step{sent: 1})
		}
		asked = play(t, longpoll.Config{}, blind)
		if got := asked[len(asked)-1]; got < 24*time.Second || got > 31*time.Second {
			t.Errorf("20 answers without an index took %v, want about 27 s", got)
		}
	})
}

func TestLoop_backsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := slices.Repeat([]step{{err: errors.New("down")}}, 60)
		asked := play(t, longpoll.Config{}, failing)
		for i := 1; i < len(asked); i++ {
			if wait, most := asked[i]-asked[i-1], min(100*time.Millisecond<<(i-1), 10*time.Second); i < 20 && wait > most || wait > 10*time.Second {
				t.Errorf("failure %d was waited for %v, want at most %v", i, wait, most)
			}
		}
		if got := asked[len(asked)-1]; got < 2*time.Minute {
			t.Errorf("60 failures took %v, want minutes", got)
		}
	})
}

// A query that waits has the wait, the server's jitter and a margin; one that does not has
// the margin.
func TestLoop_limits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var limits []time.Duration
		loop, err := longpoll.New(longpoll.Config{Wait: 16 * time.Second, Timeout: 3 * time.Second}, func(ctx context.Context, q longpoll.Query) (longpoll.Answer, error) {
			deadline, _ := ctx.Deadline()
			limits = append(limits, time.Until(deadline), q.Wait)
			if len(limits) == 4 {
				cancel()
			}
			return longpoll.Answer{Index: 4}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		loop.Run(ctx)
		if want := []time.Duration{3 * time.Second, 0, 20 * time.Second, 16 * time.Second}; !slices.Equal(limits, want) {
			t.Errorf("got the limits and waits %v, want %v", limits, want)
		}
	})
}

func TestNew_refuses(t *testing.T) {
	for name, cfg := range map[string]longpoll.Config{
		"Wait": {Wait: -1}, "Wait.": {Wait: time.Hour}, "Timeout": {Timeout: -1}, "Every": {Every: -1}, "Blind": {Blind: -1}, "Base": {Base: -1}, "Cap": {Cap: -1},
	} {
		if _, err := longpoll.New(cfg, nil); err == nil || !strings.Contains(err.Error(), strings.Trim(name, ".")) {
			t.Errorf("%s: got %v, want a refusal that names it", name, err)
		}
	}
}
