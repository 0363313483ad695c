// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

func many(n int) []string {
	addrs := make([]string, 0, n)
	for i := range n {
		addrs = append(addrs, fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255))
	}
	return addrs
}

// allReady takes n endpoints from nothing to READY and gives the time of the
// bookkeeping and the publications.
func allReady(t testing.TB, n int) (time.Duration, int) {
	t.Helper()
	src := &clusters{}
	src.apply("big", many(n)...)
	begin := time.Now()
	b, f := start(meshgrpc.NewClient(enmesh.Fixed(false), src), "big")
	defer b.Close()
	eventually(t, "all SubConns exist", func() bool { return len(f.all()) == n })
	for _, s := range f.all() {
		s.become(connectivity.Connecting)
	}
	for _, s := range f.all() {
		s.become(connectivity.Ready)
	}
	return time.Since(begin), f.publications()
}

// Ten times the endpoints take about ten times as long: at most 15 times, in one of a
// few paired rounds, since a busy machine can spoil any of them. Work that grows with
// the square takes 100 times as long in every round, on any machine. Under the race detector,
// whose memory of 10,000 endpoints is in no cache, there are fewer; make full-size has all.
func TestBalancer_staysLinear(t *testing.T) {
	const rounds, growth, floor = 10, 15, 5 * time.Millisecond
	few := 1_000
	if raceEnabled {
		few = 300
	}
	many := 10 * few
	for round := range rounds {
		small, _ := allReady(t, few)
		large, published := allReady(t, many)
		t.Logf("%d endpoints READY in %v, %d in %v with %d publications", few, small, many, large, published)
		if limit := int(large/(2*time.Millisecond)) + 10; published > limit {
			t.Errorf("%d publications in %v, want at most one every 2 ms", published, large)
		}
		if large <= growth*max(small, floor) {
			return
		}
		if round == rounds-1 {
			t.Errorf("%d endpoints took %v, %d took %v: want at most %dx", many, large, few, small, growth)
		}
	}
}

// When 1 % of the endpoints give way to others, those alone are shut down and dialled.
func TestBalancer_churnTouchesNobodyElse(t *testing.T) {
	const n, churn = 10_000, 100
	src, addrs := &clusters{}, many(n+churn)
	src.apply("big", addrs[:n]...)
	b, f := start(meshgrpc.NewClient(enmesh.Fixed(false), src), "big")
	defer b.Close()
	eventually(t, "all SubConns exist", func() bool { return len(f.all()) == n })
	for _, s := range f.all() {
		s.become(connectivity.Ready)
	}
	before := map[string]int{}
	for _, s := range f.all() {
		before[s.addr], _ = s.touched()
	}
	src.apply("big", addrs[churn:]...)
	gone := 0
	eventually(t, "the new ones are there and the old ones gone", func() bool {
		gone = 0
		for _, s := range f.all() {
			if _, down := s.touched(); down {
				gone++
			}
		}
		return len(f.all()) == n+churn && gone == churn
	})
	leaves := map[string]bool{}
	for _, addr := range addrs[:churn] {
		leaves[addr] = true
	}
	for _, s := range f.all()[:n] {
		connects, down := s.touched()
		if down != leaves[s.addr] || connects != before[s.addr] {
			t.Fatalf("%s was asked to connect %d times more, shut down: %t", s.addr, connects-before[s.addr], down)
		}
	}
	t.Logf("%d SubConns made, %d shut down, %d left alone", len(f.all())-n, gone, n-gone)
}

// 10,000 endpoints are READY in at most 250 ms. The best of the iterations counts: a busy
// machine makes any of them slower, and none faster.
func BenchmarkBalancer_allReady(b *testing.B) {
	const most = 250 * time.Millisecond
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var published int
			best := time.Duration(math.MaxInt64)
			b.ReportAllocs()
			for b.Loop() {
				var took time.Duration
				took, published = allReady(b, n)
				best = min(best, took)
			}
			b.ReportMetric(float64(published), "publications")
			b.ReportMetric(float64(best)/float64(time.Millisecond), "ms-best")
			if n == 10_000 && best > most {
				b.Errorf("%d endpoints were READY after %v at best, want %v", n, best, most)
			}
		})
	}
}

func BenchmarkBalancer_apply(b *testing.B) {
	const n = 10_000
	for _, bench := range []struct {
		name  string
		churn int
	}{{"unchanged", 0}, {"churn=1%", n / 100}} {
		b.Run(bench.name, func(b *testing.B) {
			src := &clusters{}
			addrs := many(n + n/100)
			sets := [][]string{addrs[:n], addrs[bench.churn : n+bench.churn]}
			src.apply("big", sets[0]...)
			bal, f := start(meshgrpc.NewClient(enmesh.Fixed(false), src), "big")
			defer bal.Close()
			eventually(b, "all SubConns exist", func() bool { return len(f.all()) == n })
			for _, s := range f.all() {
				s.become(connectivity.Ready)
			}
			c := src.Cluster(enmesh.Destination{Service: "big"}, enmesh.GRPC)
			eps := [][]discoveryEndpoint{endpoints(sets[0]...), endpoints(sets[1]...)}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				c.Apply(eps[i%2])
			}
		})
	}
}

// Endpoints flap at random under callers that pick as grpc does. Whenever it is quiet
// and an endpoint is READY, no call waits longer than the publisher may. Time is the
// bubble's, so the bound is not the machine's.
func TestBalancer_noLostWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const endpointCount, callers, rounds, limit = 4, 8, 60, 3 * time.Millisecond
		src := &clusters{}
		src.apply("ratings", many(endpointCount)...)
		b, f := start(meshgrpc.NewClient(enmesh.Fixed(false), src), "ratings")
		defer b.Close()
		synctest.Wait()
		subs := f.all()
		ctx, cancel := context.WithCancel(context.Background())
		var began [callers]atomic.Int64 // when the caller's present pick began; 0: none
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for ctx.Err() == nil {
					began[i].Store(time.Now().UnixNano())
					pickOne(ctx, t, f)
					began[i].Store(0)
					pause(time.Duration(rand.IntN(200)) * time.Microsecond)
				}
			})
		}
		for range rounds {
			for range rand.IntN(40) {
				s := subs[rand.IntN(endpointCount)]
				s.become([]connectivity.State{connectivity.Ready, connectivity.Idle}[rand.IntN(2)])
				pause(time.Duration(rand.IntN(300)) * time.Microsecond)
			}
			subs[rand.IntN(endpointCount)].become(connectivity.Ready)
			quiet := time.Now()
			pause(limit)
			for i := range began {
				if at := began[i].Load(); at != 0 && at <= quiet.UnixNano() {
					t.Errorf("a pick still waits %v after the last change", limit)
				}
			}
		}
		cancel()
		wg.Wait()
	})
}

// pickOne picks as grpc's picker wrapper does: a pick that found a connection lost is
// thrown away, and waits for the next publication.
func pickOne(ctx context.Context, t *testing.T, f *fakeConn) {
	t.Helper()
	for ctx.Err() == nil {
		state, wake := f.present()
		r, err := state.Picker.Pick(balancer.PickInfo{Ctx: ctx, FullMethodName: "/a/b"})
		if err == nil {
			if r.SubConn.(*fakeSub).ready() {
				r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
				return
			}
			r.Done(balancer.DoneInfo{})
		} else if !errors.Is(err, balancer.ErrNoSubConnAvailable) {
			t.Errorf("pick failed: %v, though an endpoint is READY", err)
			return
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

func BenchmarkPicker(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			src := balance.NewStaticSource(map[string][]discoveryEndpoint{"big": endpoints(many(n)...)}, balance.PowerOfTwo())
			bal, f := start(meshgrpc.NewClient(enmesh.Fixed(false), src), "big")
			defer bal.Close()
			eventually(b, "all SubConns exist", func() bool { return len(f.all()) == n })
			for _, s := range f.all() {
				s.become(connectivity.Ready)
			}
			pause(5 * time.Millisecond) // the last publication
			state, _ := f.present()
			info := meshgrpc.PickInfoOf(context.Background(), "big")
			b.ReportAllocs()
			for b.Loop() {
				r, err := state.Picker.Pick(info)
				if err != nil {
					b.Fatal(err)
				}
				r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
			}
		})
	}
}
