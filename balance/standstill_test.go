// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
)

const ms = time.Millisecond

// late has s come to its next beat so much too late, as a process does that stood still.
func late(s *standstill, by time.Duration) (from, to enmesh.Instant) {
	s.timer.Stop()
	from = enmesh.Instant(s.beat.Load()).Add(pulse)
	time.Sleep(from.Add(by).Sub(enmesh.Now()))
	to = enmesh.Now()
	s.tick()
	return from, to
}

func TestStandstill_beatsWhileCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandstill()
		beats := func() bool { return s.beat.Load() != 0 }
		time.Sleep(time.Second)
		if beats() {
			t.Error("it beats, and there was no call")
		}
		for range 10 {
			s.touch()
			time.Sleep(pulse)
			synctest.Wait()
			if !beats() {
				t.Fatal("it does not beat while calls end")
			}
		}
		time.Sleep((idleBeats + 1) * pulse)
		synctest.Wait()
		if beats() {
			t.Error("it beats on though no call ended")
		}
		s.touch()
		if !beats() {
			t.Error("it does not beat again")
		}
		if s.spans.Load() != nil {
			t.Errorf("standstills where there was none: %v", *s.spans.Load())
		}
	})
}

func TestStandstill_tellsWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandstill()
		s.touch()
		began := enmesh.Now()
		from, to := late(s, 400*ms)
		for _, tt := range []struct {
			name     string
			from, to enmesh.Instant
			want     time.Duration
		}{
			{"a call round it", began, to, 400 * ms},
			{"a call that began in it", from.Add(100 * ms), to, 300 * ms},
			{"a call before it", began, from, 0},
			{"a call of a time to come", began, to.Add(time.Hour), 0},
		} {
			if got := s.lost(tt.from, tt.to); got != tt.want {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}

		// While the beat that will tell of it is late, what is lost is known already, once.
		s.timer.Stop()
		due := enmesh.Instant(s.beat.Load()).Add(pulse)
		time.Sleep(pulse + 100*ms)
		if got := s.lost(due, enmesh.Now()); got != 100*ms {
			t.Errorf("before the beat: %v, want 100ms", got)
		}
		s.tick()
		if got := s.lost(began, enmesh.Now()); got != 500*ms {
			t.Errorf("both standstills: %v, want 500ms", got)
		}
		for range 2 * keptSpans {
			s.touch()
			late(s, 50*ms)
		}
		if got := len(*s.spans.Load()); got != keptSpans {
			t.Errorf("%d are kept, want %d", got, keptSpans)
		}
	})
}

func TestPrice_leavesOutStandstills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandstill()
		var p price
		estimate := func() time.Duration { ns, _ := p.load(); return time.Duration(ns).Round(ms) }
		p.observe(10*ms, enmesh.Now(), s)
		began := enmesh.Now()
		_, to := late(s, 400*ms)
		p.observe(to.Sub(began), to, s)
		if got := estimate(); got < 10*ms || got > 30*ms {
			t.Errorf("after a standstill of 400 ms the estimate is %v, want what is left without it", got)
		}
		time.Sleep(time.Second)
		p.observe(400*ms, enmesh.Now(), s)
		if got := estimate(); got != 400*ms {
			t.Errorf("after an answer that took 400 ms by itself it is %v", got)
		}
	})
}
