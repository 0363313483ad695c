// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// SamplerConfig is how often a [Sampler] looks, and how it smooths. It is comparable; the
// zero SamplerConfig is the defaults.
type SamplerConfig struct {
	// Every is how often it looks. 0 is 250 ms; below 10 ms is refused.
	Every time.Duration
	// Decay is what is left of what it knew after each look. 0 is 0.7, by which half of it
	// is two looks old; it is refused unless from 0 to below 1.
	Decay float64
	// Root is where it finds "proc" and "sys". "" is the root of the file system.
	Root string
}

// The defaults of a Sampler.
const (
	defaultEvery = 250 * time.Millisecond
	shortest     = 10 * time.Millisecond
	defaultDecay = 0.7
)

func (cfg SamplerConfig) withDefaults() (SamplerConfig, error) {
	if cfg.Every == 0 {
		cfg.Every = defaultEvery
	}
	if cfg.Decay == 0 {
		cfg.Decay = defaultDecay
	}
	if cfg.Root == "" {
		cfg.Root = "/"
	}
	switch {
	case cfg.Every < shortest:
		return cfg, fmt.Errorf("shed: Every %v is below %v", cfg.Every, shortest)
	case !(cfg.Decay >= 0 && cfg.Decay < 1):
		return cfg, fmt.Errorf("shed: Decay %v is not from 0 to below 1", cfg.Decay)
	}
	return cfg, nil
}

// Sampler reads the load of this program, now and then, on a goroutine that Close ends.
// One serves any number of shedders.
//
// The CPU is that of the control group (cgroup v2 or v1) with the tightest quota that the
// program is in, in parts of the quota: in a container, that of the container. Where
// there is no quota it is the whole machine's, from /proc/stat. The delay is the median
// time that goroutines, once ready, waited to run, as Go's runtime counts it.
type Sampler struct {
	meter meter
	decay float64
	waits *waits
	load  atomic.Pointer[Load]

	stop chan struct{}
	once sync.Once
	done chan struct{}
}

// NewSampler begins to sample, or refuses a configuration that makes no sense. Where the
// CPU cannot be read, as on what is not Linux, it is not known; see [Sampler.Reads].
func NewSampler(cfg SamplerConfig) (*Sampler, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := newSampler(os.DirFS(cfg.Root), cfg)
	go s.run(cfg.Every)
	return s, nil
}

func newSampler(root fs.FS, cfg SamplerConfig) *Sampler {
	s := &Sampler{
		meter: findMeter(root), decay: cfg.Decay, waits: newWaits(),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	s.load.Store(&Load{CPU: -1, Delay: -1})
	return s
}

// Load is the load as of the last look.
func (s *Sampler) Load() Load { return *s.load.Load() }

// Reads is what the CPU is read from: "cgroup2", "cgroup1", "proc", or "" for nothing.
func (s *Sampler) Reads() string { return s.meter.name() }

// Close ends the sampling, and waits until it has ended. It returns nil.
func (s *Sampler) Close() error {
	s.once.Do(func() { close(s.stop) })
	<-s.done
	return nil
}

func (s *Sampler) run(every time.Duration) {
	defer close(s.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := s.meter.read()
	for {
		select {
		case <-tick.C:
			last = s.look(last)
		case <-s.stop:
			return
		}
	}
}

// look takes the load since the reading before.
func (s *Sampler) look(before reading) reading {
	now := s.meter.read()
	old := s.Load()
	s.load.Store(&Load{
		CPU:   smooth(old.CPU, now.since(before), s.decay),
		Delay: time.Duration(smooth(float64(old.Delay), float64(s.waits.median()), s.decay)),
	})
	return now
}

// smooth is a mean that forgets. What is not known, which is negative, changes nothing.
func smooth(old, now, decay float64) float64 {
	if now < 0 {
		return old
	}
	if old < 0 {
		return now
	}
	return decay*old + (1-decay)*now
}
