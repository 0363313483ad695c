// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// counts is whose refusals in shadow were told, in order.
type counts struct {
	mu    sync.Mutex // guards paths
	paths []string
}

func (r *counts) Record(c *enmesh.Call, d enmesh.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d != (enmesh.Decision{Policy: "shed", Action: enmesh.ActionRefuse, Shadow: true}) {
		panic(d)
	}
	r.paths = append(r.paths, c.Path)
}

// guest is a call that comes, at a time, with what matters so much, and runs for a time.
type guest struct {
	path         string
	level        int
	comes, lasts time.Duration
}

// Nobody waits and nobody is refused, and whoever would have been is counted.
func TestQueue_inShadow(t *testing.T) {
	const ms = time.Millisecond
	cfg := shed.QueueConfig{Slots: 1, Waiting: 2, Interval: 100 * ms, Target: 10 * ms}
	for name, tt := range map[string]struct {
		guests []guest
		want   []string // who is counted, in the order of their ends
	}{
		"room for all":       {[]guest{{"a", 2, 0, 50 * ms}, {"b", 2, 10 * ms, 60 * ms}, {"c", 2, 200 * ms, 50 * ms}}, nil},
		"no place":           {[]guest{{"a", 2, 0, 50 * ms}, {"b", 2, 1 * ms, 50 * ms}, {"c", 2, 2 * ms, 50 * ms}, {"d", 2, 3 * ms, 50 * ms}}, []string{"d"}},
		"too long a wait":    {[]guest{{"a", 2, 0, 300 * ms}, {"b", 2, 1 * ms, 400 * ms}, {"c", 2, 2 * ms, 80 * ms}}, []string{"b"}},
		"a standing queue":   {[]guest{{"a", 2, 0, 150 * ms}, {"b", 2, 60 * ms, 200 * ms}, {"c", 2, 130 * ms, 50 * ms}}, []string{"c"}},
		"it gave up its way": {[]guest{{"a", 2, 0, 50 * ms}, {"b", 2, 1 * ms, 5 * ms}, {"c", 2, 10 * ms, 60 * ms}, {"d", 2, 11 * ms, 70 * ms}}, nil},
		"the least gives way": {
			[]guest{{"a", 2, 0, 50 * ms}, {"least", 0, 1 * ms, 50 * ms}, {"plus", 1, 2 * ms, 50 * ms}, {"critical", 2, 3 * ms, 50 * ms}}, []string{"least"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				record := &counts{}
				shadow := cfg
				shadow.Shadow, shadow.Recorder = true, record
				q := mustQueue(t, shadow)
				var wg sync.WaitGroup
				for _, g := range tt.guests {
					wg.Go(func() {
						time.Sleep(g.comes)
						c := &enmesh.Call{Clock: enmesh.Now(), Path: g.path}
						token, err := q.Admit(of[g.level], c)
						if err != nil || enmesh.Now() != c.Clock {
							t.Errorf("%s: %v after %v, want to be let in at once", g.path, err, enmesh.Now().Sub(c.Clock))
						}
						time.Sleep(g.lasts)
						q.Done(token, enmesh.Result{Ended: enmesh.Now(), Call: c})
					})
				}
				wg.Wait()
				if !slices.Equal(record.paths, tt.want) {
					t.Errorf("counted %v, want %v", record.paths, tt.want)
				}
				if q.InFlight() != 0 || q.Waiting() != 0 {
					t.Errorf("%d run and %d wait in thought when all is over", q.InFlight(), q.Waiting())
				}
			})
		})
	}
}
