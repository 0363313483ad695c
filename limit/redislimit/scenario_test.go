// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// Four instances share a limit, and Redis is killed under load.
func TestScenarioO17_redisKilled(t *testing.T) {
	const rate, burst, n, offered = 1000, 100, 4, 600
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
	s, quotas := run(redislimit.Config{Name: "o17", Rate: rate, Burst: burst})
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
	if got := after.slowest(0.99) - before.slowest(0.99); got > 50*time.Millisecond {
		t.Errorf("the loss added %v at the 99th percentile, want 5ms, and in no case 50ms", got)
	}
	for i, q := range quotas {
		st := q.Stats()
		t.Logf("instance %d: %+v", i, st)
		if st.Open != 1 || st.Local == 0 {
			t.Errorf("instance %d: open %v, %d local decisions; want 1, and some", i, st.Open, st.Local)
		}
	}
	control, _ := run(redislimit.Config{Name: "o17", Rate: rate, Burst: burst, Instances: 1})
	t.Logf("control, each falling back to the whole limit: %v", control.within(2*time.Second, 5*time.Second))
	if got, want := control.within(2*time.Second, 5*time.Second).admitted(), 3*after.admitted()/2; got < want {
		t.Errorf("the control admits %d without Redis, want at least %d: it would not show an excess", got, want)
	}
}
