// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// Four instances share a limit, and Redis is killed under load. What the loss may add to a call,
// and how soon the breaker opens, is exact in virtual time only (TestScenarioO17O18_inVirtualTime);
// here a bound shows no more than that nothing hangs.
func TestScenarioO17_redisKilled(t *testing.T) {
	const rate, burst, n, offered = 1000, 100, 4, 600
	told := &decisions{}
	run := func(cfg redislimit.Config) (s samples, quotas []*redislimit.Quota) {
		server := redistest.Start(t)
		quotas = fleet(t, n, at(server.Addr), cfg, nil)
		if cfg.Instances == 0 {
			known(t, quotas)
		}
		l := offer(quotas, offered)
		l.until(2 * time.Second)
		server.Kill()
		l.until(5 * time.Second)
		return l.end(), quotas
	}
	s, quotas := run(redislimit.Config{Name: "o17", Rate: rate, Burst: burst, Recorder: told})
	before, after := s.within(0, 2*time.Second), s.within(2*time.Second, 5*time.Second)
	t.Logf("with Redis: %v", before)
	t.Logf("without: %v", after)
	t.Logf("in the first 200 ms without: %v", s.within(2*time.Second, 2200*time.Millisecond))
	limit := func(seconds float64) float64 { return burst + rate*seconds }
	if got := float64(s.admitted()); got > 1.1*limit(5) {
		t.Errorf("%v admitted in all, want at most 1.1 times %v", got, limit(5))
	}
	if got := float64(after.admitted()); got < 0.8*rate*3 {
		t.Errorf("%v admitted without Redis, want at least 0.8 times %v", got, rate*3)
	}
	if got := after.slowest(0.99) - before.slowest(0.99); got > 250*time.Millisecond {
		t.Errorf("the loss added %v at the 99th percentile, want at most 250ms", got)
	}
	local := uint64(0)
	for i, q := range quotas {
		st := q.Stats()
		t.Logf("instance %d: %+v", i, st)
		if st.Open != 1 || st.Local == 0 {
			t.Errorf("instance %d: open %v, %d local decisions; want 1, and some", i, st.Open, st.Local)
		}
		local += st.Local
	}
	if told.n.Load() != int64(local) || told.wrong.Load() != 0 {
		t.Errorf("the recorder was told of %d local decisions and %d others, want %d and none", told.n.Load(), told.wrong.Load(), local)
	}
	control, _ := run(redislimit.Config{Name: "o17", Rate: rate, Burst: burst, Instances: 1})
	t.Logf("control, each falling back to the whole limit: %v", control.within(2*time.Second, 5*time.Second))
	if got, want := control.within(2*time.Second, 5*time.Second).admitted(), 3*after.admitted()/2; got < want {
		t.Errorf("the control admits %d without Redis, want at least %d: it would not show an excess", got, want)
	}
}

// Redis hangs: it keeps its connections and says nothing, and then it goes on. As to time, see
// TestScenarioO17_redisKilled.
func TestScenarioO18_redisFrozen(t *testing.T) {
	const rate, burst, n, offered = 1000, 400, 4, 600
	server := redistest.Start(t)
	quotas := fleet(t, n, at(server.Addr), redislimit.Config{Name: "o18", Rate: rate, Burst: burst}, nil)
	known(t, quotas)
	l := offer(quotas, offered)
	l.until(2 * time.Second)
	server.Freeze()
	l.until(4 * time.Second)
	for i, q := range quotas {
		if got := q.Stats().Open; got != 1 {
			t.Errorf("instance %d asks a Redis that hangs: open %v, want 1", i, got)
		}
	}
	server.Thaw()
	l.until(7 * time.Second)
	s := l.end()
	for _, w := range []struct {
		name     string
		from, to time.Duration
		p99      time.Duration
	}{
		{"before", 0, 2 * time.Second, time.Second},
		{"the first 200 ms frozen", 2 * time.Second, 2200 * time.Millisecond, time.Second},
		{"frozen after that", 2200 * time.Millisecond, 4 * time.Second, time.Second},
		{"the first second thawed", 4 * time.Second, 5 * time.Second, time.Second},
		{"after that", 5 * time.Second, 7 * time.Second, time.Second},
	} {
		part := s.within(w.from, w.to)
		t.Logf("%s: %v", w.name, part)
		if got := part.slowest(0.99); got > w.p99 {
			t.Errorf("%s: p99 is %v, want at most %v", w.name, got, w.p99)
		}
	}
	if got, want := float64(s.admitted()), float64(burst+rate*7); got > 1.05*want || got < 0.8*want {
		t.Errorf("%v admitted in all, want 0.8 to 1.05 times %v: no second burst when Redis returns", got, want)
	}
	for i, q := range quotas {
		if got := q.Stats().Open; got != 0 {
			t.Errorf("instance %d does not ask a Redis that answers: open %v, want 0", i, got)
		}
	}
}

// Redis loses what it knows, or may not write: at most one burst more is admitted, and
// afterwards it is asked again.
func TestScenarioO19_redisForgets(t *testing.T) {
	const rate, burst, n, offered = 500, 200, 2, 600
	tests := []struct {
		name   string
		happen func(s *redistest.Server)
		then   func(s *redistest.Server)
		fails  bool
	}{
		{"restart", func(s *redistest.Server) { s.Kill() }, func(s *redistest.Server) { s.Restart() }, true},
		{"FLUSHALL", func(s *redistest.Server) { s.Do("FLUSHALL") }, nil, false},
		{"NOSCRIPT", func(s *redistest.Server) { s.Do("SCRIPT", "FLUSH") }, nil, false},
		{
			"READONLY", func(s *redistest.Server) { s.Do("REPLICAOF", "127.0.0.1", "1") },
			func(s *redistest.Server) { s.Do("REPLICAOF", "NO", "ONE") }, true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			unlessStill(t, func() (wrong []string) {
				server := redistest.Start(t)
				quotas := fleet(t, n, at(server.Addr), redislimit.Config{Name: "o19", Rate: rate, Burst: burst}, nil)
				known(t, quotas)
				l := offer(quotas, offered)
				l.until(time.Second)
				tt.happen(server)
				if tt.then != nil {
					l.until(1500 * time.Millisecond)
					tt.then(server)
				}
				l.until(3 * time.Second)
				before := asked(quotas)
				l.until(4 * time.Second)
				rejoined := asked(quotas) - before
				s := l.end()
				t.Logf("%v; the limit is %d, one burst %d; %d round trips in the last second", s, burst+rate*4, burst, rejoined)
				if got, want := s.admitted(), burst+rate*4+burst; float64(got) > 1.03*float64(want) {
					wrong = append(wrong, fmt.Sprintf("%d admitted, want at most %d, which is a burst more than the limit", got, want))
				}
				if got := s.within(3*time.Second, 4*time.Second).admitted(); got < 8*rate/10 || rejoined == 0 {
					wrong = append(wrong, fmt.Sprintf("in the last second %d admitted with %d round trips, want nearly %d, and some", got, rejoined, rate))
				}
				for i, q := range quotas {
					if st := q.Stats(); st.Open != 0 || tt.fails && st.Failed == 0 || !tt.fails && st.Failed > 5 {
						wrong = append(wrong, fmt.Sprintf("instance %d: %+v; want it closed, and failures %v (but for a late answer or two)", i, st, tt.fails))
					}
				}
				for _, key := range server.Keys() {
					if left := server.Do("PTTL", key); left == int64(-1) {
						wrong = append(wrong, key+" stays for ever")
					}
				}
				return wrong
			})
		})
	}
}

// The master dies under three Sentinels, and a replica takes over.
func TestScenarioO19_sentinelFailover(t *testing.T) {
	const rate, burst, n, offered = 500, 200, 2, 600
	g := redistest.NewSentinels(t)
	quotas := fleet(t, n, redislimit.Servers{Addrs: g.Addrs, Master: g.Name}, redislimit.Config{Name: "o19", Rate: rate, Burst: burst}, nil)
	known(t, quotas)
	l := offer(quotas, offered)
	l.until(time.Second)
	g.Master.Kill()
	began := time.Now()
	await(t, "both instances to lose Redis", func() bool {
		return quotas[0].Stats().Open+quotas[1].Stats().Open == 2
	})
	await(t, "both instances to have the new master", func() bool {
		return quotas[0].Stats().Open+quotas[1].Stats().Open == 0
	})
	took := time.Since(began)
	l.until(time.Since(l.start) + time.Second)
	whole := time.Since(l.start)
	s := l.end()
	limit := burst + rate*whole.Seconds()
	t.Logf("%v in %v; the limit is %.0f; back after %v", s, whole, limit, took)
	if got := float64(s.admitted()); got > 1.03*(limit+burst) || got < 0.8*limit {
		t.Errorf("%v admitted, want %.0f, and at most a burst of %d more", got, limit, burst)
	}
}

// One of three masters dies: its keys fall back to the local share, and no others.
func TestScenarioO19_clusterLosesAMaster(t *testing.T) {
	c := redistest.NewCluster(t)
	cfg := redislimit.Config{Name: "o19", Rate: 0.01, Burst: 4, Instances: 2}
	quotas := fleet(t, 2, redislimit.Servers{Addrs: c.Addrs()}, cfg, byAuthority)
	slots := func(from, to int) (keys []string) {
		for i := 0; len(keys) < 20; i++ {
			key := t.Name() + string(rune('a'+i))
			if s := quotas[0].SlotOf(key); s >= from && s < to {
				keys = append(keys, key)
			}
		}
		return keys
	}
	here, gone := slots(6000, 16000), slots(0, 5000)
	for _, key := range here[:10] {
		if got := take(quotas[0], key, 3) + take(quotas[1], key, 3); got != 4 {
			t.Errorf("%s: %d of 6 admitted by two instances, want 4", key, got)
		}
	}
	c.Masters[0].Kill()
	for range 3 { // until the breakers have seen it
		for _, key := range gone {
			take(quotas[0], key, 1)
			take(quotas[1], key, 1)
		}
	}
	for _, key := range gone {
		if got := take(quotas[0], key, 9); got != 0 {
			t.Errorf("%s: %d admitted beyond the share of 2", key, got)
		}
	}
	local := quotas[0].Stats().Local + quotas[1].Stats().Local
	for _, key := range here[10:] {
		if got := take(quotas[0], key, 3) + take(quotas[1], key, 3); got != 4 {
			t.Errorf("%s: %d of 6 admitted by two instances, want 4", key, got)
		}
	}
	for i, q := range quotas {
		st := q.Stats()
		t.Logf("instance %d: %+v", i, st)
		if st.Open == 0 || st.Open > 0.4 {
			t.Errorf("instance %d does not ask for %.2f of the slots, want some, of a third", i, st.Open)
		}
	}
	if got := quotas[0].Stats().Local + quotas[1].Stats().Local; got != local {
		t.Errorf("%d local decisions for keys whose master lives, want 0", got-local)
	}
}
