// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/mesh"
)

// TestScenarioS1_oneOfThreeEnds: SIGTERM to one of three instances under load over
// HTTP/1.1, HTTP/2, gRPC and streams loses no call, and the steps come in their order.
func TestScenarioS1_oneOfThreeEnds(t *testing.T) {
	settles(t)
	town, work := newTown(t), newWorks()
	one := town.shop(work)
	town.shop(work)
	town.shop(work)
	load := town.caller()
	end := load.begin(t, 300)
	pause(t.Context(), time.Second)
	one.terminate(t)
	pause(t.Context(), time.Second)
	end()
	load.account(t, work)
	if one.err != nil {
		t.Errorf("Run returned %v, want nil", one.err)
	}
	ordered(t, one.took(),
		mesh.StepListen, mesh.StepReady, mesh.StepRegister, mesh.StepStop, mesh.StepNotReady,
		mesh.StepDeregister, mesh.StepPropagated, mesh.StepHint, mesh.StepDrain, mesh.StepExit)
}

// ordered checks the names of steps, and that time went forward, and logs when they
// were.
func ordered(t *testing.T, steps []mesh.Step, want ...string) {
	t.Helper()
	var got []string
	for i, s := range steps {
		got = append(got, s.Name)
		if i > 0 && s.At.Before(steps[i-1].At) {
			t.Errorf("%s came before %s", s.Name, steps[i-1].Name)
		}
		t.Logf("%-10s +%-8v in flight %d %v", s.Name, s.Since.Round(time.Microsecond), s.InFlight, s.Err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
}

// TestScenarioS1_rollingRestart: every instance of a service is restarted in turn under
// load, and no call is lost or done twice.
func TestScenarioS1_rollingRestart(t *testing.T) {
	rounds, rps := 1, 300
	if full() {
		rounds, rps = 5, 500
	}
	settles(t)
	town, work := newTown(t), newWorks()
	shops := []*instance{town.shop(work), town.shop(work), town.shop(work)}
	load := town.caller()
	end := load.begin(t, rps)
	pause(t.Context(), 500*time.Millisecond)
	began := time.Now()
	for range rounds {
		for i := range shops {
			shops[i].terminate(t)
			if shops[i].err != nil {
				t.Errorf("instance %d: Run returned %v", i, shops[i].err)
			}
			shops[i] = town.shop(work)
		}
	}
	t.Logf("%d restarts in %v at %d calls a second", 3*rounds, time.Since(began).Round(time.Millisecond), rps)
	pause(t.Context(), 500*time.Millisecond)
	end()
	load.account(t, work)
}

// TestScenarioS2_secondSignal: calls that do not end are cut by the second signal; the
// process is gone within a second, and says how many they were.
func TestScenarioS2_secondSignal(t *testing.T) {
	settles(t)
	town, work := newTown(t), newWorks()
	work.slow = func(ctx context.Context) { <-ctx.Done() }
	one := town.shop(work, mesh.WithTiming(mesh.Timing{Propagation: 100 * time.Millisecond, Hint: -1}))
	hung := town.hang(one, len(town.caller().names))
	one.stop <- syscall.SIGTERM
	until(t, "it drains", func() bool { return one.mesh.Health().Phase() == mesh.PhaseDraining })
	cut := time.Now()
	one.stop <- syscall.SIGTERM
	<-one.ended
	took := time.Since(cut)
	hung()
	if took > time.Second {
		t.Errorf("the end took %v after the second signal, want at most 1 s", took)
	}
	steps := one.took()
	forced := steps[slices.IndexFunc(steps, func(s mesh.Step) bool { return s.Name == mesh.StepForce })]
	t.Logf("ended %v after the second signal: %v", took.Round(time.Millisecond), one.err)
	if !errors.Is(one.err, mesh.ErrForced) || forced.InFlight != 6 || work.wasCut() != 6 {
		t.Errorf("got %v with %d in flight, %d contexts ended; want %v and 6", one.err, forced.InFlight, work.wasCut(), mesh.ErrForced)
	}
}

// hang makes n calls, one of each kind, that end only when they are cut, and returns
// when all are in flight; the result waits for their callers.
func (o *town) hang(n *instance, calls int) (wait func()) {
	load := o.caller()
	load.patience = time.Minute // longer than any drain
	for range calls {
		load.calls.Go(load.call)
	}
	consultest.Await(o.t, 10*time.Second, func() error {
		if in := n.mesh.InFlight(); in != int64(calls) {
			return fmt.Errorf("%d calls of %d are in flight; lost: %v", in, calls, load.failures())
		}
		return nil
	})
	return load.calls.Wait
}

// TestScenarioS3_streamsThatNeverEnd: streams and requests that nobody ends hold up the
// end of a process until its deadline and no longer.
func TestScenarioS3_streamsThatNeverEnd(t *testing.T) {
	settles(t)
	drain := time.Second
	if full() {
		drain = mesh.DefaultTiming.Drain
	}
	town, work := newTown(t), newWorks()
	work.slow = func(ctx context.Context) { <-ctx.Done() }
	one := town.shop(work, mesh.WithTiming(mesh.Timing{Propagation: 100 * time.Millisecond, Hint: 100 * time.Millisecond, Drain: drain}))
	hung := town.hang(one, 6)
	began := time.Now()
	one.stop <- syscall.SIGTERM
	<-one.ended
	took := time.Since(began)
	hung()
	t.Logf("ended %v after the signal, with a deadline of %v: %v", took.Round(time.Millisecond), drain, one.err)
	if took < drain || took > drain+1500*time.Millisecond {
		t.Errorf("the end took %v, want %v and a second more at most", took, drain)
	}
	if !errors.Is(one.err, mesh.ErrForced) {
		t.Errorf("got %v, want %v", one.err, mesh.ErrForced)
	}
}

// TestScenarioS1_withoutRegistry: where nothing tells callers but the hint on the answers,
// it suffices: instances of a fixed list are restarted at their addresses, and no call is
// lost or done twice. One is restarted when callers had time to be connected to the one
// before again: grpc tries an address that has refused it after a second, give or take a
// fifth.
func TestScenarioS1_withoutRegistry(t *testing.T) {
	rounds, rps := 1, 300
	if full() {
		rounds, rps = 5, 500
	}
	settles(t)
	town, work := newTown(t), newWorks()
	var shops []*instance
	for range 3 {
		shops = append(shops, town.fixedShop(work, "127.0.0.1:0", "127.0.0.1:0"))
	}
	set := make([]discovery.Endpoint, 0, len(shops))
	for _, s := range shops {
		set = append(set, s.endpoint)
	}
	town.registry.Set("shop", set...)
	load := town.caller()
	end := load.begin(t, rps)
	pause(t.Context(), 500*time.Millisecond)
	began := time.Now()
	for range rounds {
		for i, s := range shops {
			s.terminate(t)
			if s.err != nil {
				t.Errorf("instance %d: Run returned %v", i, s.err)
			}
			shops[i] = town.fixedShop(work, s.web, s.rpc)
			pause(t.Context(), 1500*time.Millisecond)
		}
	}
	t.Logf("%d restarts in %v at %d calls a second", 3*rounds, time.Since(began).Round(time.Millisecond), rps)
	pause(t.Context(), 500*time.Millisecond)
	end()
	load.account(t, work)
}

// ttl is a registry that notices late that an instance is gone.
type ttl struct {
	*discovery.Memory
	late time.Duration
}

func (r ttl) Register(ctx context.Context, in discovery.Instance) error {
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	stop := context.AfterFunc(ctx, func() { pause(held, r.late); release() })
	defer stop()
	return r.Memory.Register(held, in)
}

// TestScenarioD20_killedInstance: an instance that dies without a word stays in the
// registry for two TTLs; of the calls that may be repeated, at most one in a thousand fails.
// UnaryCall may not be repeated, as its descriptor does not say so: those are lost that the
// instance had at that moment, 33 a second of a millisecond each. (That SIGTERM loses none
// is S1.)
func TestScenarioD20_killedInstance(t *testing.T) {
	late, rps := 2*time.Second, 200
	if full() {
		late, rps = 30*time.Second, 300
	}
	settles(t)
	town, work := newTown(t), newWorks()
	slow := ttl{town.registry, late}
	one := town.shop(work, mesh.WithRegistrar(slow))
	town.shop(work)
	town.shop(work)
	load := town.caller()
	load.names = []string{"grpc unary", "http/1.1 get"}
	end := load.begin(t, rps)
	pause(t.Context(), 500*time.Millisecond)
	one.kill()
	pause(t.Context(), late+500*time.Millisecond)
	end()
	made, lost := load.made["http/1.1 get"], len(load.lost["http/1.1 get"])
	t.Logf("%d calls that may be repeated, %d lost, slowest %v: %v", made, lost, load.longest.Round(time.Millisecond), load.lost)
	if lost*1000 > made {
		t.Errorf("%d of %d calls that may be repeated were lost, want at most one in a thousand", lost, made)
	}
	const atOnce = 3 // at one instance, and that is much
	if cut := len(load.lost["grpc unary"]); cut > atOnce {
		t.Errorf("%d calls that may not be repeated were lost, want what was in flight there", cut)
	}
	<-one.ended
	if one.err == nil {
		t.Error("Run returned nil though its servers had died")
	}
}
