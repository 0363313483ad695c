// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package edges_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scope = telemetry.Scope{Self: telemetry.Workload{App: "productpage", Version: "v1"}}

func version(v string) *enmeshtest.Endpoint {
	return &enmeshtest.Endpoint{Address: "10.0.0.1:80", Labels: map[string]string{"version": v}}
}

// to is a step that goes to e and ends with err.
func to(e enmesh.Endpoint, status int, err error) enmeshtest.Step {
	return func(ctx context.Context, c *enmesh.Call) error {
		k := enmesh.CarrierOf(ctx)
		k.Picked(e, enmesh.Now())
		k.Answered(enmesh.Now())
		c.Answer.Status = status
		return err
	}
}

// again sends a failed call once more.
func again(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		err := next(ctx, c)
		if err != nil && c.Again() {
			return next(ctx, c)
		}
		return err
	}
}

func chain(t *edges.Table) enmesh.Router {
	return enmesh.Fixed(true, telemetry.Calls(t.Calls(scope)), again, telemetry.Attempts(t.Attempts(scope)))
}

func call(t *edges.Table, describe func(c *enmesh.Call), steps ...enmeshtest.Step) {
	w := enmeshtest.NewWire(steps...)
	w.Call().Service = "reviews"
	if describe != nil {
		describe(w.Call())
	}
	if w.Do(context.Background(), chain(t)) == nil {
		w.Finish(nil)
	}
}

var errBusy = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Err: errors.New("busy")}

func TestTable_countsCallsAndAttempts(t *testing.T) {
	table := edges.New(edges.Config{})
	v1, v2 := version("v1"), version("v2")
	call(table, nil, to(v1, 200, nil))
	call(table, nil, to(v2, 503, errBusy), to(v1, 200, nil)) // retried elsewhere
	call(table, nil, to(v2, 503, errBusy))
	grpc := func(c *enmesh.Call) { c.Protocol, c.Service = enmesh.GRPC, "ratings.shop.svc.cluster.local" }
	call(table, grpc, to(v1, 200, nil))
	call(table, grpc, to(v1, 200, errBusy))

	var got []string
	for _, e := range table.Snapshot() {
		got = append(got, fmt.Sprintf("%s>%s %s %s: %d requests, %d attempts, %d failures, %v",
			e.From, e.To, e.Version, e.Protocol, e.Requests, e.Attempts, e.Failures, e.Codes))
	}
	want := []string{
		"productpage>ratings.shop v1 grpc: 2 requests, 3 attempts, 1 failures, map[OK:1 UNAVAILABLE:1]",
		"productpage>reviews v1 http: 2 requests, 2 attempts, 0 failures, map[200:2]",
		"productpage>reviews v2 http: 1 requests, 3 attempts, 1 failures, map[503:1]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTable_aRefusedCallHasNoVersion(t *testing.T) {
	table := edges.New(edges.Config{})
	refused := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Flag: enmesh.FlagFaultInjected}
	r := enmesh.Fixed(false, telemetry.Calls(table.Calls(scope)), func(enmesh.Next) enmesh.Next {
		return func(context.Context, *enmesh.Call) error { return refused }
	})
	w := enmeshtest.NewWire()
	w.Call().Service = "reviews"
	_ = w.Do(t.Context(), r)
	s := table.Snapshot()
	if len(s) != 1 || s[0].Version != "unknown" || s[0].Failures != 1 || s[0].Attempts != 0 || s[0].Codes["503"] != 1 {
		t.Errorf("got %+v, want one failure with status 503 of version unknown", s)
	}
}

func TestTable_percentiles(t *testing.T) {
	table := edges.New(edges.Config{})
	o := table.Calls(scope)
	w := enmeshtest.NewWire()
	c := w.Call()
	c.Service = "reviews"
	observe := func(ms int) {
		o.Observe(enmesh.Result{Call: c, Answered: c.Start.Add(time.Duration(ms) * time.Millisecond), Ended: c.Start.Add(time.Hour)})
	}
	for ms := 1; ms <= 1000; ms++ {
		observe(ms)
	}
	first := table.Snapshot()
	near(t, "p50", first[0].P50, 500*time.Millisecond)
	near(t, "p99", first[0].P99, 990*time.Millisecond)
	for range 100 {
		observe(20)
	}
	between := table.Snapshot().Since(first)
	if between[0].Requests != 100 || between[0].Codes["200"] != 100 {
		t.Errorf("between the snapshots %+v, want 100 requests", between[0])
	}
	near(t, "p99 between", between[0].P99, 20*time.Millisecond)
	if idle := table.Snapshot().Since(table.Snapshot()); idle[0].Requests != 0 || idle[0].P99 != 0 || len(idle[0].Codes) != 0 {
		t.Errorf("nothing happened, but %+v", idle[0])
	}
}

func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if off := math.Abs(float64(got-want)) / float64(want); off > 0.035 {
		t.Errorf("%s is %v, want %v within 3.5%%", what, got, want)
	}
}

func TestEdge_json(t *testing.T) {
	table := edges.New(edges.Config{})
	call(table, nil, to(version("v3"), 200, nil))
	text, err := json.Marshal(table.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"from", "to", "version", "protocol", "requests", "attempts", "failures", "codes", "p50_ms", "p99_ms"} {
		if _, ok := got[0][field]; !ok {
			t.Errorf("%s lacks %q", text, field)
		}
	}
	if len(got[0]) != 10 {
		t.Errorf("%s has %d fields, want 10", text, len(got[0]))
	}
}

func TestTable_isBounded(t *testing.T) {
	table := edges.New(edges.Config{MaxEdges: 10})
	for i := range 1000 {
		call(table, func(c *enmesh.Call) { c.Service = fmt.Sprintf("s%d", i) }, to(version("v1"), 200, nil))
	}
	s := table.Snapshot()
	if len(s) != 11 || s[0].From != "_overflow" || s[0].Requests != 990 || s[0].Attempts != 990 {
		t.Errorf("got %d edges, the first %+v; want 11 and 990 requests in the overflow", len(s), s[0])
	}
}

func TestTable_manyAtOnce(t *testing.T) {
	table := edges.New(edges.Config{})
	endpoints := []*enmeshtest.Endpoint{version("v1"), version("v2"), version("v3")}
	r := chain(table)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				w := enmeshtest.NewWire(to(endpoints[(i+j)%3], 200, nil))
				w.Call().Service = "reviews"
				_ = w.Do(context.Background(), r)
				w.Finish(nil)
				if j%100 == 0 {
					table.Snapshot()
				}
			}
		})
	}
	wg.Wait()
	var requests, attempts uint64
	for _, e := range table.Snapshot() {
		requests += e.Requests
		attempts += e.Attempts
	}
	if requests != 4000 || attempts != 4000 {
		t.Errorf("counted %d requests and %d attempts, want 4000 of each", requests, attempts)
	}
}

func TestTable_conforms(t *testing.T) {
	table := edges.New(edges.Config{})
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return telemetry.Calls(table.Calls(scope)) })
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return telemetry.Attempts(table.Attempts(scope)) })
}

func observed() (*edges.Table, enmesh.Result) {
	w := enmeshtest.NewWire(to(version("v1"), 200, nil))
	w.Call().Service = "reviews"
	_ = w.Do(context.Background(), enmesh.Fixed(false))
	return edges.New(edges.Config{}), w.Call().Result(nil)
}

func TestTable_allocatesNothing(t *testing.T) {
	table, r := observed()
	calls, attempts := table.Calls(scope), table.Attempts(scope)
	got := testing.AllocsPerRun(1000, func() { calls.Observe(r); attempts.Observe(r) })
	if got != 0 {
		t.Errorf("a call and an attempt cost %v allocations, want 0", got)
	}
}

func BenchmarkTable_call(b *testing.B) {
	table, r := observed()
	o := table.Calls(scope)
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

func BenchmarkTable_attempt(b *testing.B) {
	table, r := observed()
	o := table.Attempts(scope)
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

func BenchmarkTable_callParallel(b *testing.B) {
	table, r := observed()
	o := table.Calls(scope)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			o.Observe(r)
		}
	})
}

func ExampleTable() {
	table := edges.New(edges.Config{})
	scope := telemetry.Scope{Self: telemetry.Workload{App: "productpage"}}
	router := enmesh.Fixed(false,
		telemetry.Calls(table.Calls(scope)),
		telemetry.Attempts(table.Attempts(scope)),
	)

	reviews := &enmeshtest.Endpoint{Address: "10.0.0.7:9080", Labels: map[string]string{"version": "v2"}}
	for range 3 { // an adapter does this for every request
		w := enmeshtest.NewWire(to(reviews, 200, nil))
		w.Call().Service = "reviews"
		_ = w.Do(context.Background(), router)
		w.Finish(nil)
	}

	for _, e := range table.Snapshot() {
		fmt.Println(e.From, e.To, e.Version, e.Protocol, e.Requests, e.Codes, e.SuccessRate(), e.AttemptsPerCall())
	}
	// Output: productpage reviews v2 http 3 map[200:3] 1 1
}
