// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/bench/internal/stats"
)

// pickersConfig says how the pickers are compared.
type pickersConfig struct {
	Rows   []pickerRow
	Sizes  []int
	Rounds int
	Window time.Duration // how long each picker runs at a time
}

// pickerCase is one picker at one size, with so many goroutines.
type pickerCase struct {
	Row        string `json:"row"`
	N          int    `json:"endpoints"`
	Goroutines int    `json:"goroutines"`
}

// PickerResult is what became of a case.
type PickerResult struct {
	pickerCase
	Title  string        `json:"title"`
	Limit  float64       `json:"limit,omitempty"`
	NS     stats.Spread  `json:"ns"`              // wall time over the picks of all goroutines
	Ratio  *stats.Spread `json:"ratio,omitempty"` // over Versus in the same round
	Flat   *stats.Spread `json:"flat,omitempty"`  // over itself at the smallest size in the same round
	Allocs float64       `json:"allocs"`          // a pick
}

// bench is a case that is ready to run.
type bench struct {
	pickerCase
	row   *pickerRow
	loops []func(count int) // one for each goroutine
	count int               // picks of each in a window
	ns    []float64         // by round
}

// runPickers measures; the order within a round is drawn anew, by size and
// goroutines first, so that what is compared stands close together.
func runPickers(ctx context.Context, cfg pickersConfig) ([]PickerResult, error) {
	var p pickers
	defer p.close()
	for _, n := range cfg.Sizes {
		for g := range 2 {
			if err := p.add(cfg, n, g+1); err != nil {
				return nil, err
			}
		}
	}
	for range cfg.Rounds {
		for _, b := range rand.Perm(len(p.blocks)) {
			for _, i := range rand.Perm(len(p.blocks[b])) {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				p.blocks[b][i].measure()
			}
		}
	}
	return p.results(), nil
}

// pickers are all that is measured.
type pickers struct {
	blocks  [][]*bench // by size and number of goroutines
	closers []func()
}

func (p *pickers) close() {
	for _, f := range p.closers {
		f()
	}
}

// add makes a block: every row at a size.
func (p *pickers) add(cfg pickersConfig, n, goroutines int) error {
	var block []*bench
	for i := range cfg.Rows {
		row := &cfg.Rows[i]
		if row.Most != 0 && n > row.Most {
			continue
		}
		s, err := row.Make(n)
		if err != nil {
			return fmt.Errorf("%s, %d endpoints: %w", row.Name, n, err)
		}
		if s.close != nil {
			p.closers = append(p.closers, s.close)
		}
		b := &bench{pickerCase: pickerCase{row.Name, n, goroutines}, row: row}
		for range goroutines {
			b.loops = append(b.loops, s.worker())
		}
		b.calibrate(cfg.Window)
		block = append(block, b)
	}
	p.blocks = append(p.blocks, block)
	return nil
}

// calibrate finds how many picks fill a window.
func (b *bench) calibrate(window time.Duration) {
	const few = 2000
	b.time(few)
	took := max(b.time(few), time.Microsecond)
	b.count = max(int(few*window/took), few)
}

func (b *bench) measure() {
	b.time(b.count / 8) // caches and branch predictors hold another picker's things
	picks := float64(b.count * len(b.loops))
	b.ns = append(b.ns, float64(b.time(b.count))/picks)
}

// time has every goroutine pick so often.
func (b *bench) time(count int) time.Duration {
	if len(b.loops) == 1 {
		start := time.Now()
		b.loops[0](count)
		return time.Since(start)
	}
	var wg sync.WaitGroup
	start := time.Now()
	for _, loop := range b.loops {
		wg.Go(func() { loop(count) })
	}
	wg.Wait()
	return time.Since(start)
}

// allocs is how many allocations a pick makes.
func (b *bench) allocs() float64 {
	const count = 10_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.loops[0](count)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / count
}

func (p *pickers) results() []PickerResult {
	all := map[pickerCase]*bench{}
	least := p.blocks[0][0].N
	for _, block := range p.blocks {
		for _, b := range block {
			all[b.pickerCase] = b
		}
	}
	var out []PickerResult
	for _, block := range p.blocks {
		for _, b := range block {
			r := PickerResult{
				pickerCase: b.pickerCase, Title: b.row.Title, Limit: b.row.Limit, NS: stats.Of(b.ns),
				Ratio:  over(b, all[pickerCase{b.row.Versus, b.N, b.Goroutines}]),
				Allocs: b.allocs(),
			}
			if b.row.Flat && b.N != least {
				r.Flat = over(b, all[pickerCase{b.Row, least, b.Goroutines}])
			}
			out = append(out, r)
		}
	}
	return out
}

// over is the ratio of two cases, round by round; nil if there is nothing to compare.
func over(b, base *bench) *stats.Spread {
	if base == nil {
		return nil
	}
	ratios := make([]float64, len(b.ns))
	for i := range ratios {
		ratios[i] = b.ns[i] / base.ns[i]
	}
	s := stats.Of(ratios)
	return &s
}

// comparePickers runs everything and writes what was found.
func comparePickers(ctx context.Context, rounds int, asJSON bool, w io.Writer) error {
	found, err := runPickers(ctx, pickersConfig{Rows: pickerRows, Sizes: pickerSizes, Rounds: rounds, Window: 10 * time.Millisecond})
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(w).Encode(found)
	}
	_, _ = fmt.Fprintf(w, "%s, %d rounds\n", machine(), rounds)
	writePickers(w, found)
	return nil
}

// writePickers writes a table in Markdown for each size and number of goroutines.
func writePickers(w io.Writer, found []PickerResult) {
	var last pickerCase
	for _, r := range found {
		if r.N != last.N || r.Goroutines != last.Goroutines {
			_, _ = fmt.Fprintf(w, "\n%d endpoints, goroutines: %d\n\n", r.N, r.Goroutines)
			_, _ = fmt.Fprintln(w, "| picker | ns | ratio | mark | over the smallest size | allocations |\n|---|---|---|---|---|---|")
		}
		last = r.pickerCase
		mark := ""
		if r.Limit != 0 {
			mark = fmt.Sprintf("%.1f", r.Limit)
		}
		_, _ = fmt.Fprintf(w, "| %s | %.1f | %s | %s | %s | %.0f |\n", r.Title, r.NS.Median, short(r.Ratio), mark, short(r.Flat), r.Allocs)
	}
}

func short(s *stats.Spread) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", s.Median, s.Low, s.High)
}
