// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// Config is what a run is to do.
type Config struct {
	Stacks      []*Stack
	Concurrency []int
	Rounds      int
	Warmup      time.Duration
	Window      time.Duration
	Heap        int       // MiB that every process holds beside what it needs
	Profile     string    // directory for profiles; "" takes none
	Progress    io.Writer // a line for each round
}

// series is the samples of one stack at one concurrency, by round.
type series map[seriesKey][]Sample

type seriesKey struct {
	stack       string
	concurrency int
}

// run runs all rounds.
func run(ctx context.Context, cfg Config) (series, error) {
	dir, err := os.MkdirTemp("", "enmesh-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	env := Env{Dir: dir}
	if err := env.prepare(); err != nil {
		return nil, err
	}
	all := series{}
	for round := range cfg.Rounds {
		begun := time.Now()
		for _, i := range rand.Perm(len(cfg.Stacks)) {
			if err := runStack(ctx, cfg, env, cfg.Stacks[i], round, all); err != nil {
				return nil, fmt.Errorf("round %d, %s: %w", round+1, cfg.Stacks[i].Name, err)
			}
		}
		_, _ = fmt.Fprintf(cfg.Progress, "round %d of %d: %.0f s\n", round+1, cfg.Rounds, time.Since(begun).Seconds())
	}
	return all, nil
}

// runStack runs one stack's windows of a round, with processes of its own.
func runStack(ctx context.Context, cfg Config, env Env, s *Stack, round int, all series) error {
	p, err := startPair(ctx, Job{Stack: s.Name, Env: env, Profile: cfg.Profile, Round: round, Heap: cfg.Heap})
	if err != nil {
		return err
	}
	for _, i := range rand.Perm(len(cfg.Concurrency)) {
		c := cfg.Concurrency[i]
		sample, err := p.client.order(Order{Concurrency: c, Warmup: cfg.Warmup, Window: cfg.Window})
		if err != nil {
			return errors.Join(fmt.Errorf("c=%d: %w", c, err), p.end())
		}
		key := seriesKey{s.Name, c}
		all[key] = append(all[key], sample)
	}
	return p.end()
}
