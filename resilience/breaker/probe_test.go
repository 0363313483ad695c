// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// forms are the two ways to put a breaker into a chain.
var forms = map[string]func(*breaker.Breaker) enmesh.Middleware{
	"middleware": func(b *breaker.Breaker) enmesh.Middleware { return b.Middleware() },
	"gate":       func(b *breaker.Breaker) enmesh.Middleware { return enmesh.Guard(b) },
}

// halfOpen is a breaker that will let probes through.
func halfOpen(t *testing.T, cfg breaker.Config) *breaker.Breaker {
	t.Helper()
	b := mustNew(t, cfg)
	end(b, 5, failed)
	time.Sleep(breaker.DefaultOpenFor)
	if b.State() != breaker.HalfOpen {
		t.Fatalf("breaker is %v, want half-open", b.State())
	}
	return b
}

// O6: of a thousand callers at once exactly as many go through a half-open breaker as
// there may be probes. The control is a breaker that is closed.
func TestScenarioO6_oneProbeAmongAThousand(t *testing.T) {
	crowd := func(m enmesh.Middleware) (sent, most int64) {
		var running, peak, total atomic.Int64
		far := func(context.Context, *enmesh.Call) error {
			total.Add(1)
			now := running.Add(1)
			for was := peak.Load(); now > was; was = peak.Load() {
				if peak.CompareAndSwap(was, now) {
					break
				}
			}
			time.Sleep(time.Second)
			running.Add(-1)
			return nil
		}
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				w := enmeshtest.NewWire(far)
				if w.Do(context.Background(), enmesh.Fixed(false, m)) == nil {
					w.Finish(nil)
				}
			})
		}
		wg.Wait()
		return total.Load(), peak.Load()
	}
	for name, form := range forms {
		for _, probes := range []uint32{1, 3} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := halfOpen(t, breaker.Config{Probes: probes})
					sent, most := crowd(form(b))
					all, _ := crowd(form(mustNew(t, breaker.Config{})))
					t.Logf("%d probes allowed: %d of 1000 calls went through, at most %d at once; closed %d", probes, sent, most, all)
					if sent != int64(probes) || most > int64(probes) || all != 1000 || b.State() != breaker.Closed {
						t.Errorf("%d went through, at most %d at once, breaker %v; want %d and closed; control %d, want 1000",
							sent, most, b.State(), probes, all)
					}
				})
			})
		}
	}
}

// O6: whatever becomes of a probe, its place is free after the probe timeout at the
// latest, and then a probe that succeeds closes the breaker.
func TestScenarioO6_aProbesPlaceIsFreed(t *testing.T) {
	const probeTimeout = 2 * time.Second
	cancelled := func(ctx context.Context, c *enmesh.Call) error {
		<-ctx.Done()
		return c.EndOf(ctx)
	}
	tests := []struct {
		name string
		step enmeshtest.Step
		want breaker.State // when the probe has ended, if it has
	}{
		{"panics", func(context.Context, *enmesh.Call) error { panic("probe") }, breaker.Open},
		{"exits", func(context.Context, *enmesh.Call) error { runtime.Goexit(); return nil }, breaker.Open},
		{"is cancelled", cancelled, breaker.HalfOpen},
		{"never returns", nil, breaker.HalfOpen},
	}
	for name, form := range forms {
		for _, tt := range tests {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := halfOpen(t, breaker.Config{ProbeTimeout: probeTimeout})
					ctx, cancel := context.WithTimeout(t.Context(), probeTimeout/2)
					defer cancel()
					forever := make(chan struct{})
					step := tt.step
					if step == nil {
						step = func(context.Context, *enmesh.Call) error { <-forever; return nil }
					}
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { _ = recover() }()
						_ = enmeshtest.NewWire(step).Do(ctx, enmesh.Fixed(false, form(b)))
					}()
					synctest.Wait()
					if tt.want == breaker.HalfOpen {
						if err := end(b, 1, nil); !errors.Is(err, breaker.ErrOpen) {
							t.Fatalf("beside the probe: %v, want ErrOpen", err)
						}
					}
					time.Sleep(probeTimeout)
					if b.State() != tt.want {
						t.Errorf("breaker is %v, want %v", b.State(), tt.want)
					}
					if tt.want == breaker.Open {
						time.Sleep(breaker.DefaultOpenFor)
					}
					if err := end(b, 1, nil); err != nil || b.State() != breaker.Closed {
						t.Errorf("the next probe: %v, breaker %v; want it to go and to close", err, b.State())
					}
					close(forever)
					<-done
					if b.State() != breaker.Closed {
						t.Errorf("the late end made the breaker %v", b.State())
					}
				})
			})
		}
	}
}

// O7: what was admitted under another state does not count, whatever it was and is.
func TestScenarioO7_lateResultsAreIgnored(t *testing.T) {
	// Each path ends in a state in which one more Success, or one more Failure, would change it.
	paths := []struct {
		name string
		run  func(b *breaker.Breaker)
		want breaker.State
	}{
		{"closed to half-open", func(b *breaker.Breaker) { end(b, 5, failed); time.Sleep(breaker.DefaultOpenFor) }, breaker.HalfOpen},
		{"closed to open", func(b *breaker.Breaker) { end(b, 5, failed) }, breaker.Open},
		{"closed to the next closed", func(b *breaker.Breaker) {
			end(b, 5, failed)
			time.Sleep(breaker.DefaultOpenFor)
			end(b, 1, nil)
			end(b, 4, failed)
		}, breaker.Closed},
		{"reset", func(b *breaker.Breaker) { end(b, 4, failed); b.Reset(); end(b, 4, failed) }, breaker.Closed},
		{"forced closed and reset", func(b *breaker.Breaker) { b.ForceClosed(); b.Reset(); end(b, 4, failed) }, breaker.Closed},
	}
	for _, tt := range paths {
		for _, o := range []enmesh.Outcome{enmesh.Success, enmesh.Failure, enmesh.Neutral} {
			t.Run(tt.name+" "+o.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := mustNew(t, breaker.Config{})
					late, err := b.Admit(t.Context(), &enmesh.Call{Clock: enmesh.Now()})
					if err != nil {
						t.Fatal(err)
					}
					tt.run(b)
					if b.State() != tt.want {
						t.Fatalf("breaker is %v, want %v", b.State(), tt.want)
					}
					b.Done(late, enmesh.Result{Outcome: o, Ended: enmesh.Now()})
					if b.State() != tt.want {
						t.Errorf("a late %v made the breaker %v, want %v", o, b.State(), tt.want)
					}
				})
			})
		}
	}
	t.Run("a probe of an earlier half-open", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := halfOpen(t, breaker.Config{Probes: 2})
			admit := func() enmesh.Token {
				token, err := b.Admit(t.Context(), &enmesh.Call{Clock: enmesh.Now()})
				if err != nil {
					t.Fatal(err)
				}
				return token
			}
			late, fails := admit(), admit()
			b.Done(fails, enmesh.Result{Outcome: enmesh.Failure})
			time.Sleep(breaker.DefaultOpenFor)
			b.Done(admit(), enmesh.Result{Outcome: enmesh.Success})
			b.Done(late, enmesh.Result{Outcome: enmesh.Success})
			if b.State() != breaker.HalfOpen {
				t.Errorf("breaker is %v, want half-open: one of two probes succeeded", b.State())
			}
		})
	})
}
