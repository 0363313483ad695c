// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// maxConcurrency bounds the flag -c: a stack of HTTP/1.1 keeps a connection for each
// worker.
const maxConcurrency = 1024

// worker calls in a loop. Workers share nothing that is written.
type worker struct {
	call  Call
	calls atomic.Uint64
	hist  histogram
	err   error
	_     [64]byte // so that no two count on one cache line
}

// load is a number of workers at one client.
type load struct {
	workers   []*worker
	stop      atomic.Bool
	measuring atomic.Bool // latencies are counted
	wait      sync.WaitGroup
}

// startLoad starts c workers, which run until end.
func startLoad(ctx context.Context, client Client, c int) *load {
	l := &load{}
	for range c {
		w := &worker{call: client.Worker()}
		l.workers = append(l.workers, w)
		l.wait.Go(func() { l.run(ctx, w) })
	}
	return l
}

// run stops at the first error: a figure with errors in it is none.
func (l *load) run(ctx context.Context, w *worker) {
	contexts := inTraces(ctx)
	for i := 0; !l.stop.Load(); i++ {
		begun := time.Now()
		if w.err = w.call(contexts[i%traces]); w.err != nil {
			l.stop.Store(true)
			return
		}
		if l.measuring.Load() {
			w.hist.add(time.Since(begun))
		}
		w.calls.Add(1)
	}
}

// calls is how many calls have ended.
func (l *load) calls() uint64 {
	var n uint64
	for _, w := range l.workers {
		n += w.calls.Load()
	}
	return n
}

// end stops the workers and gives what they counted together.
func (l *load) end() (*histogram, error) {
	l.stop.Store(true)
	l.wait.Wait()
	sum := &histogram{}
	for _, w := range l.workers {
		if w.err != nil {
			return nil, w.err
		}
		sum.merge(&w.hist)
	}
	return sum, nil
}

// reading is the state of all counters at one moment.
type reading struct {
	at             time.Time
	calls          uint64 // at the moment of the processor times
	client, server time.Duration
	machine        time.Duration // all processes together
	memory         runtime.MemStats
	memoryCalls    uint64 // at the moment of the memory's
}

// read reads every counter. Reading the memory's stops the process for a moment, so
// that stands outside of what is measured: first at the beginning, last at the end.
func (l *load) read(server func() (time.Duration, error), ending bool) (reading, error) {
	var r reading
	var err error
	memory := func() {
		runtime.ReadMemStats(&r.memory)
		r.memoryCalls = l.calls()
	}
	if !ending {
		memory()
	}
	if r.server, err = server(); err != nil {
		return r, err
	}
	if r.client, err = usage(); err != nil {
		return r, err
	}
	if r.machine, err = machineUsage(); err != nil {
		return r, err
	}
	r.at, r.calls = time.Now(), l.calls()
	if ending {
		memory()
	}
	return r, nil
}

// Order is what a client is told to do for one window.
type Order struct {
	Concurrency int           `json:"concurrency"`
	Warmup      time.Duration `json:"warmup"`
	Window      time.Duration `json:"window"`
}

// Sample is what one window gave. Times are in nanoseconds.
type Sample struct {
	Calls     uint64        `json:"calls"`
	Elapsed   time.Duration `json:"elapsed"`
	ClientCPU time.Duration `json:"client_cpu"`
	ServerCPU time.Duration `json:"server_cpu"`
	Allocs    float64       `json:"allocs"`      // of the client, a call
	Bytes     float64       `json:"alloc_bytes"` // of the client, a call
	GCs       uint32        `json:"gcs"`         // of the client
	Others    float64       `json:"others"`      // processors that other processes kept busy
	P50       time.Duration `json:"p50"`
	P99       time.Duration `json:"p99"`
}

// CPU is the processor seconds of both processes for 100,000 calls.
func (s Sample) CPU() float64 { return (s.ClientCPU + s.ServerCPU).Seconds() / float64(s.Calls) * 1e5 }

// QPS is calls per second.
func (s Sample) QPS() float64 { return float64(s.Calls) / s.Elapsed.Seconds() }

// measure runs one window. server reads the server's processor time.
func measure(ctx context.Context, client Client, server func() (time.Duration, error), o Order) (Sample, error) {
	l := startLoad(ctx, client, o.Concurrency)
	before, after, err := l.window(ctx, server, o)
	hist, loadErr := l.end()
	if loadErr != nil {
		return Sample{}, fmt.Errorf("bench: a call failed: %w", loadErr)
	}
	if err != nil {
		return Sample{}, err
	}
	if after.calls == before.calls {
		return Sample{}, fmt.Errorf("bench: no call ended within %v", o.Window)
	}
	calls := float64(after.memoryCalls - before.memoryCalls)
	elapsed := after.at.Sub(before.at)
	ours := after.client - before.client + after.server - before.server
	return Sample{
		Calls:     after.calls - before.calls,
		Elapsed:   elapsed,
		ClientCPU: after.client - before.client,
		ServerCPU: after.server - before.server,
		Allocs:    float64(after.memory.Mallocs-before.memory.Mallocs) / calls,
		Bytes:     float64(after.memory.TotalAlloc-before.memory.TotalAlloc) / calls,
		GCs:       after.memory.NumGC - before.memory.NumGC,
		Others:    max(0, (after.machine-before.machine-ours).Seconds()/elapsed.Seconds()),
		P50:       hist.quantile(0.50),
		P99:       hist.quantile(0.99),
	}, nil
}

// ready waits until every worker has made a call: connections are open then.
func (l *load) ready(ctx context.Context) error {
	for _, w := range l.workers {
		for w.calls.Load() == 0 && !l.stop.Load() {
			if err := wait(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// window waits until all is warm, reads, waits for the window, and reads again.
func (l *load) window(ctx context.Context, server func() (time.Duration, error), o Order) (before, after reading, err error) {
	if err = l.ready(ctx); err != nil {
		return before, after, err
	}
	if err = wait(ctx, o.Warmup); err != nil {
		return before, after, err
	}
	l.measuring.Store(true)
	if before, err = l.read(server, false); err != nil {
		return before, after, err
	}
	if err = wait(ctx, o.Window); err != nil {
		return before, after, err
	}
	after, err = l.read(server, true)
	return before, after, err
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
