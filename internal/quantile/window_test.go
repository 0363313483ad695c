// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package quantile_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/quantile"
)

const start = int64(1000 * time.Second)

// Every estimate is at least the exact quantile, and at most a sixteenth and a
// microsecond above it.
func TestWindow_agreesWithASort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"uniform":     func() time.Duration { return time.Duration(rng.Int64N(int64(time.Second))) },
		"exponential": func() time.Duration { return time.Duration(rng.ExpFloat64() * float64(5*time.Millisecond)) },
		"two humps": func() time.Duration {
			if rng.IntN(50) == 0 {
				return 200 * time.Millisecond
			}
			return time.Duration(rng.Int64N(int64(10 * time.Millisecond)))
		},
		"tiny": func() time.Duration { return time.Duration(rng.Int64N(40_000)) },
		"huge": func() time.Duration { return time.Duration(rng.Int64N(int64(time.Hour))) },
	} {
		for _, q := range []float64{0.01, 0.5, 0.9, 0.95, 0.99, 1} {
			w := quantile.New(10 * time.Second)
			var all []time.Duration
			for range 3000 {
				d := draw()
				all = append(all, d)
				w.Add(start, d)
			}
			slices.Sort(all)
			exact := all[int(math.Ceil(q*float64(len(all))))-1]
			got, n := w.Quantile(start, q, 0)
			if n != len(all) || got < exact || got > exact+exact/16+time.Microsecond {
				t.Errorf("%s: quantile %v of %d is %v, want %v of %d", name, q, n, got, exact, len(all))
			}
		}
	}
}

func TestWindow_forgets(t *testing.T) {
	w := quantile.New(5 * time.Second)
	for i := range 100 {
		w.Add(start, time.Duration(i)*time.Millisecond)
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 100}, {4 * time.Second, 100}, {5 * time.Second, 0}, {time.Hour, 0}} {
		if _, n := w.Quantile(start+int64(tt.after), 0.5, 100); n != tt.want {
			t.Errorf("after %v there are %d durations, want %d", tt.after, n, tt.want)
		}
	}
	w.Add(start+int64(5*time.Second), time.Second) // in the same part as those of the start
	if d, n := w.Quantile(start+int64(5*time.Second), 0.5, 1); n != 1 || d < time.Second {
		t.Errorf("the median of %d is %v, want that of the new one", n, d)
	}
	w.Add(start, time.Millisecond) // a window late
	if _, n := w.Quantile(start+int64(5*time.Second), 0.5, 1); n != 1 {
		t.Errorf("a late duration counts: %d", n)
	}
}

func TestWindow_extremes(t *testing.T) {
	w := quantile.New(time.Second)
	if d, n := w.Quantile(start, 0.5, 0); d != 0 || n != 0 {
		t.Errorf("an empty window says %v of %d", d, n)
	}
	w.Add(start, -time.Second)
	w.Add(start, math.MaxInt64)
	if d, n := w.Quantile(start, 0.5, 10); d > time.Microsecond || n != 2 {
		t.Errorf("the lesser of two is %v of %d, want at most 1 µs", d, n)
	}
	if d, _ := w.Quantile(start, 1, 10); d < time.Hour {
		t.Errorf("the greater of two is %v, want more than an hour", d)
	}
}

func TestWindow_concurrently(t *testing.T) {
	w := quantile.New(time.Second)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				at := start + int64(i)*int64(time.Millisecond)
				w.Add(at, time.Duration(g+1)*time.Millisecond)
				if d, n := w.Quantile(at, 0.5, 10); n > 0 && (d < time.Millisecond || d > 5*time.Millisecond) {
					t.Errorf("the median is %v", d)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestWindow_allocatesNothing(t *testing.T) {
	w := quantile.New(time.Second)
	at := start
	if n := testing.AllocsPerRun(1000, func() { at += 1000; w.Add(at, time.Millisecond) }); n != 0 {
		t.Errorf("Add allocates %v times", n)
	}
}

func BenchmarkWindow_add(b *testing.B) {
	w := quantile.New(10 * time.Second)
	at := start
	b.ReportAllocs()
	for b.Loop() {
		at += 1000
		w.Add(at, time.Millisecond)
	}
}

func BenchmarkWindow_quantile(b *testing.B) {
	w := quantile.New(10 * time.Second)
	for i := range 10_000 {
		w.Add(start, time.Duration(i)*time.Microsecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Quantile(start, 0.95, 100)
	}
}
