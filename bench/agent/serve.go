// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
)

const instances = 10 // of a service

// serve is the process that is measured.
func serve(ctx context.Context, j job, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "enmesh-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	registry := discovery.NewMemory()
	fill(j.Row, registry)
	making := alone(ctx, j.Row, registry)
	fill(j.Row, registry)
	debug.FreeOSMemory() // what that took is not the agent's
	j.Socket = filepath.Join(dir, "xds.sock")
	served, err := agent.Open(ctx, agent.Config{Resolver: registry, Socket: j.Socket, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, served.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- served.Run(ctx) }()
	defer func() { cancel(); err = errors.Join(err, <-done) }()
	found, err := measure(ctx, j, registry)
	if err != nil {
		return err
	}
	found.Making = making
	return json.NewEncoder(out).Encode(found)
}

// measure runs the clients and changes the registry under them.
func measure(ctx context.Context, j job, registry *discovery.Memory) (found result, err error) {
	found.Row = j.Row
	cmd, err := child(ctx, j)
	if err != nil {
		return found, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return found, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return found, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return found, err
	}
	answers := bufio.NewReader(stdout)
	if _, err := answers.ReadString('\n'); err != nil { // in sync
		return found, fmt.Errorf("the clients: %w", errors.Join(err, cmd.Wait()))
	}
	found.Synced = time.Since(start)
	rest(ctx, time.Second)
	found.Resident, found.Heap = memory("VmRSS"), heap()

	stop, err := profile(j.Row)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	before := usage()
	found.Changes, found.Backlog = churn(ctx, j.Row, registry)
	rest(ctx, time.Second) // for what is on its way
	found.CPU = (usage() - before) / time.Duration(max(1, found.Changes))
	found.MostOfAll = memory("VmHWM")
	_ = stdin.Close()
	var said report
	if err := json.NewDecoder(answers).Decode(&said); err != nil {
		return found, fmt.Errorf("the clients: %w", errors.Join(err, cmd.Wait()))
	}
	found.Pushes, found.P50, found.P99, found.Max = said.Pushes, said.P50, said.P99, said.Max
	found.ClientCPU = said.CPU / time.Duration(max(1, found.Changes))
	return found, cmd.Wait()
}

// alone is the processor time of this process for one change that nobody follows: what it takes
// to wake for it, and to make it.
func alone(ctx context.Context, r row, registry *discovery.Memory) time.Duration {
	runtime.GC() // not while it is measured
	before := usage()
	changes, _ := churn(ctx, r, registry)
	return (usage() - before) / time.Duration(max(1, changes))
}

// fill sets all services as they are before any change.
func fill(r row, registry *discovery.Memory) {
	for i := range r.Services {
		registry.Set(serviceName(i), set(i, time.Time{})...)
	}
}

// churn changes instances at a constant rate, and says how many, and how late it was.
func churn(ctx context.Context, r row, registry *discovery.Memory) (changes int, late time.Duration) {
	every := time.Second / time.Duration(r.Rate)
	random := rand.New(rand.NewPCG(1, 2))
	for start := time.Now(); ; changes++ {
		due := start.Add(time.Duration(changes) * every)
		if due.Sub(start) >= r.Lasting || ctx.Err() != nil {
			return changes, late
		}
		rest(ctx, time.Until(due))
		late = max(late, time.Since(due))
		i := random.IntN(r.Services)
		registry.Set(serviceName(i), set(i, time.Now())...)
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func serviceName(i int) string { return fmt.Sprintf("service-%d", i) }

// set is the instances of a service; the address of the first says when it came.
func set(service int, came time.Time) []discovery.Endpoint {
	out := make([]discovery.Endpoint, instances)
	for i := range out {
		at := netip.AddrFrom4([4]byte{10, byte(service >> 8), byte(service), byte(i)})
		if i == 0 {
			at = stamp(came)
		}
		out[i] = discovery.Endpoint{Addrs: []string{netip.AddrPortFrom(at, 9080).String()}, Namespace: "default", Labels: map[string]string{"version": "v1"}}
	}
	return out
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// profile begins the profiles of a row, of the changes only; stop writes them.
func profile(r row) (stop func() error, err error) {
	if r.Profile == "" {
		return func() error { return nil }, nil
	}
	base := filepath.Join(r.Profile, fmt.Sprintf("agent.%d.%d.%d", r.Services, r.Streams, r.Each))
	cpu, err := os.Create(base + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := os.Create(base + ".heap")
		if err != nil {
			return err
		}
		return errors.Join(cpu.Close(), pprof.Lookup("heap").WriteTo(heap, 0), heap.Close())
	}, nil
}
