// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/bench/internal/stats"
)

// config says what is compared, and for how long.
type config struct {
	Groups []group
	Rounds int
	Window time.Duration // how long each row runs at a time
	Least  int           // asks in a window, however long they take
}

// Result is what became of a row.
type Result struct {
	Group    string     `json:"group"`
	Row      string     `json:"row"`
	Title    string     `json:"title"`
	Versus   string     `json:"versus,omitempty"` // the title of the row that it is compared with
	One      Figure     `json:"one"`              // goroutine
	Two      Figure     `json:"two"`              // goroutines
	Limit    [2]float64 `json:"limit"`
	MaxNS    float64    `json:"max_ns,omitempty"`
	Allocs   float64    `json:"allocs"`              // an ask
	Admitted float64    `json:"admitted"`            // share of the asks
	PerKey   float64    `json:"bytes_key,omitempty"` // of memory
}

// Figure is what was measured with a number of goroutines.
type Figure struct {
	NS    stats.Spread  `json:"ns"`              // wall time over the asks of all goroutines
	Ratio *stats.Spread `json:"ratio,omitempty"` // over Versus in the same round
}

// goroutines are the numbers that a row is run with.
var goroutines = [2]int{1, 2}

// bench is a row that is ready to run with a number of goroutines.
type bench struct {
	row   *row
	loops []loop
	count int       // asks of each loop in a window
	ns    []float64 // by round
}

// run measures, one group after the other, so that what is compared stands close together
// and the memory of one does not burden the rest.
func run(ctx context.Context, cfg config) ([]Result, error) {
	var out []Result
	for _, g := range cfg.Groups {
		found, err := runGroup(ctx, cfg, g)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
		runtime.GC()
	}
	return out, nil
}

func runGroup(ctx context.Context, cfg config, g group) ([]Result, error) {
	subjects := make([]*subject, len(g.Rows))
	defer closeAll(subjects)
	var blocks [2][]*bench
	for i := range g.Rows {
		s, err := g.Rows[i].Make()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.Rows[i].Name, err)
		}
		subjects[i] = s
		for j, n := range goroutines {
			blocks[j] = append(blocks[j], newBench(&g.Rows[i], s, n, cfg))
		}
	}
	for range cfg.Rounds {
		for _, j := range rand.Perm(len(blocks)) {
			for _, i := range rand.Perm(len(blocks[j])) {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				blocks[j][i].measure()
			}
		}
	}
	return results(cfg, g, subjects, blocks), nil
}

func closeAll(subjects []*subject) {
	for _, s := range subjects {
		if s != nil && s.close != nil {
			s.close()
		}
	}
}

// newBench finds how many asks fill a window.
func newBench(r *row, s *subject, goroutines int, cfg config) *bench {
	b := &bench{row: r}
	for range goroutines {
		b.loops = append(b.loops, s.worker())
	}
	b.time(cfg.Least)
	took := max(b.time(cfg.Least), time.Microsecond)
	b.count = max(int(time.Duration(cfg.Least)*cfg.Window/took), cfg.Least)
	return b
}

func (b *bench) measure() {
	b.time(b.count / 8) // caches and branch predictors hold another row's things
	asks := float64(b.count * len(b.loops))
	b.ns = append(b.ns, float64(b.time(b.count))/asks)
}

// time has every goroutine ask so often.
func (b *bench) time(count int) time.Duration {
	if len(b.loops) == 1 {
		start := time.Now()
		b.loops[0](count)
		return time.Since(start)
	}
	var wg sync.WaitGroup
	start := time.Now()
	for _, ask := range b.loops {
		wg.Go(func() { ask(count) })
	}
	wg.Wait()
	return time.Since(start)
}

// costs is how many allocations an ask makes, and which share of them is admitted. What the
// peers do in the background allocates too: it is not in the least of a few.
func (b *bench) costs(count int) (allocs, admitted float64) {
	allocs = math.Inf(1)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := b.loops[0](count)
		runtime.ReadMemStats(&after)
		allocs = min(allocs, float64(after.Mallocs-before.Mallocs)/float64(count))
		admitted = float64(n) / float64(count)
	}
	return allocs, admitted
}

func results(cfg config, g group, subjects []*subject, blocks [2][]*bench) []Result {
	out := make([]Result, len(g.Rows))
	for i := range g.Rows {
		r := &g.Rows[i]
		allocs, admitted := blocks[0][i].costs(5 * cfg.Least)
		out[i] = Result{
			Group: g.Name, Row: r.Name, Title: r.Title, Versus: g.title(r.Versus), Limit: r.Limit, MaxNS: r.MaxNS,
			One: figure(blocks[0], i), Two: figure(blocks[1], i),
			Allocs: allocs, Admitted: admitted, PerKey: subjects[i].perKey,
		}
	}
	return out
}

// figure compares a row with what it is measured against, round by round.
func figure(block []*bench, i int) Figure {
	b := block[i]
	f := Figure{NS: stats.Of(b.ns)}
	for _, base := range block {
		if b.row.Versus == "" || base.row.Name != b.row.Versus {
			continue
		}
		ratios := make([]float64, len(b.ns))
		for k := range ratios {
			ratios[k] = b.ns[k] / base.ns[k]
		}
		s := stats.Of(ratios)
		f.Ratio = &s
	}
	return f
}
