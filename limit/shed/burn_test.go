// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// burn keeps every CPU busy until it is ended.
func burn() (end func()) {
	var over atomic.Bool
	var all sync.WaitGroup
	for range runtime.NumCPU() {
		all.Go(func() {
			for n := 0; !over.Load(); {
				n++
			}
		})
	}
	return func() { over.Store(true); all.Wait() }
}

// A program burns all the CPU that it gets, and the mark is low: by what this machine says of that, be
// it a control group's quota or /proc/stat, calls that are SHEDDABLE are refused while all that are
// CRITICAL still go. Where nothing tells the CPU, nothing is refused.
func TestShedder_shedsByThisMachinesCPU(t *testing.T) {
	sampler, err := shed.NewSampler(shed.SamplerConfig{Every: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer sampler.Close()
	if reads := sampler.Reads(); (reads != "") != (runtime.GOOS == "linux") {
		t.Fatalf("on %s the CPU is read from %q", runtime.GOOS, reads)
	}
	s := mustNew(t, shed.Config{CPU: 0.2, Source: sampler})
	end := burn()
	defer end()
	const sheddable, critical = 0, 2
	var refused, offered [4]int
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	hung := time.Now().Add(time.Minute)
	if sampler.Reads() == "" {
		hung = time.Now().Add(2 * time.Second)
	}
	for refused[sheddable] < 20 && time.Now().Before(hung) {
		<-tick.C
		c := &enmesh.Call{Clock: enmesh.Now()}
		for range 20 {
			for _, rank := range []int{sheddable, critical} {
				offered[rank]++
				token, err := s.Admit(of[rank], c)
				if err != nil {
					refused[rank]++
					continue
				}
				s.Done(token, enmesh.Result{})
			}
		}
	}
	t.Logf("by %q: %+v, %v of %v refused", sampler.Reads(), sampler.Load(), refused, offered)
	if want := 20; sampler.Reads() != "" && refused[sheddable] < want || sampler.Reads() == "" && refused[sheddable] != 0 {
		t.Errorf("%d of %d that are SHEDDABLE are refused, want at least %d where the CPU is known, and else none", refused[sheddable], offered[sheddable], want)
	}
	if refused[critical] != 0 {
		t.Errorf("%d of %d that are CRITICAL are refused, want none", refused[critical], offered[critical])
	}
}
