// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// Whatever is wrong with Redis, a call waits for it as long as the quota's timeout at most,
// to the nanosecond; and once an ask has failed, no call waits for the next.
func TestQuota_waitsNoLonger(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mood    mood
		timeout time.Duration
		first   time.Duration // what the first call waits; negative: anything up to the timeout
	}{
		{"silent", silent, 0, 20 * time.Millisecond},
		{"late", late, 0, 20 * time.Millisecond},
		{"refusing connections", dead, 0, -1},
		{"closing connections", rude, 0, -1},
		{"unreachable", lost, 0, 20 * time.Millisecond},
		{"silent, patiently", silent, 150 * time.Millisecond, 150 * time.Millisecond},
		{"silent, hastily", silent, time.Millisecond, time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := newVirtual()
				v.be(tt.mood)
				told := &decisions{}
				cfg := redislimit.Config{Name: "wait", Rate: 1000, Burst: 100, Instances: 4, Timeout: tt.timeout, Recorder: told}
				quotas, end := v.quotas(t, 1, cfg)
				defer end()
				q, limit := quotas[0], max(tt.timeout, redislimit.DefaultTimeout)
				if tt.timeout != 0 {
					limit = tt.timeout
				}
				l := offer(quotas, 400)
				l.until(time.Second)
				s := l.end()
				t.Logf("%v", s)
				if got := s.slowest(1); got > limit {
					t.Errorf("a call waits %v, want at most %v", got, limit)
				}
				if got := s[0].took; tt.first >= 0 && got != tt.first {
					t.Errorf("the first call waits %v, want %v", got, tt.first)
				}
				if got := s.within(limit+time.Millisecond, time.Second).slowest(1); got != 0 {
					t.Errorf("a call waits %v though the last ask failed, want 0", got)
				}
				st := q.Stats()
				if st.Open != 1 || st.Failed != redislimit.TripAfter {
					t.Errorf("open %v after %d failures, want 1 after %d", st.Open, st.Failed, redislimit.TripAfter)
				}
				if st.Local != uint64(len(s)) || told.n.Load() != int64(len(s)) || told.wrong.Load() != 0 {
					t.Errorf("of %d calls %d were decided locally, and the recorder was told of %d and %d others; want all and none",
						len(s), st.Local, told.n.Load(), told.wrong.Load())
				}
			})
		})
	}
}

// A client that heeds no deadline makes no call wait longer either.
func TestQuota_waitsNoLongerForAnyClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVirtual()
		v.be(silent)
		client := redis.NewClient(&redis.Options{
			Addr: "redis:6379", Dialer: v.dial, ReadTimeout: 2 * time.Second,
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		})
		q, err := redislimit.New(client, redislimit.Config{Name: "deaf", Rate: 100, Instances: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l := offer([]*redislimit.Quota{q}, 400)
		l.until(time.Second)
		s := l.end()
		t.Logf("%v", s)
		if got := s.slowest(1); got != redislimit.DefaultTimeout {
			t.Errorf("the slowest call waits %v, want %v", got, redislimit.DefaultTimeout)
		}
		v.be(dead)
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		_ = client.Close() // its server is gone
		<-time.After(5 * time.Second)
	})
}

// Four instances share a limit, and Redis is killed under load, or hangs for two seconds.
// In virtual time nothing but the quota makes a call slow.
func TestScenarioO17O18_inVirtualTime(t *testing.T) {
	const rate, burst, n, offered = 1000, 100, 4, 600
	for _, tt := range []struct {
		name  string
		fault mood
		p99   time.Duration // of what the fault adds in its first 200 ms
	}{{"O17 killed", dead, 5 * time.Millisecond}, {"O18 frozen", silent, 25 * time.Millisecond}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v, told := newVirtual(), &decisions{}
				quotas, end := v.quotas(t, n, redislimit.Config{Name: "o17", Rate: rate, Burst: burst, Instances: n, Recorder: told})
				defer end()
				l := offer(quotas, offered)
				l.until(2 * time.Second)
				if told.n.Load() != 0 {
					t.Errorf("the recorder was told of %d calls that Redis had no part in, with a Redis that is well", told.n.Load())
				}
				v.be(tt.fault)
				l.until(2200 * time.Millisecond)
				for i, q := range quotas {
					if st := q.Stats(); st.Open != 1 || st.Failed != redislimit.TripAfter {
						t.Errorf("instance %d: open %v after 200 ms and %d failures, want 1 after %d", i, st.Open, st.Failed, redislimit.TripAfter)
					}
				}
				l.until(4 * time.Second)
				local := uint64(0)
				for _, q := range quotas {
					local += q.Stats().Local
				}
				v.be(well)
				l.until(7 * time.Second)
				s := l.end()
				before, first := s.within(0, 2*time.Second), s.within(2*time.Second, 2200*time.Millisecond)
				t.Logf("before %v; the first 200 ms %v; without %v; after %v",
					before, first, s.within(2200*time.Millisecond, 4*time.Second), s.within(4*time.Second, 7*time.Second))
				if got := first.slowest(0.99) - before.slowest(0.99); got > tt.p99 {
					t.Errorf("the first 200 ms add %v at the 99th percentile, want at most %v", got, tt.p99)
				}
				if got := first.slowest(1); got > redislimit.DefaultTimeout {
					t.Errorf("a call waits %v, want at most %v", got, redislimit.DefaultTimeout)
				}
				if got := s.within(2200*time.Millisecond, 4*time.Second).slowest(1); got != 0 {
					t.Errorf("a call waits %v while nobody asks Redis, want 0", got)
				}
				if got, want := float64(s.admitted()), float64(burst+rate*7); got > 1.05*want || got < 0.9*want {
					t.Errorf("%v admitted in all, want 0.9 to 1.05 times %v", got, want)
				}
				if local == 0 || told.n.Load() < int64(local) || told.wrong.Load() != 0 {
					t.Errorf("%d local decisions, and the recorder was told of %d and %d others; want each, and none", local, told.n.Load(), told.wrong.Load())
				}
				for i, q := range quotas {
					if got := q.Stats().Open; got != 0 {
						t.Errorf("instance %d does not ask a Redis that answers: open %v, want 0", i, got)
					}
				}
			})
		})
	}
}
