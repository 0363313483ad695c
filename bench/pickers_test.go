// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/weightedroundrobin"
)

// Every row works, ours allocate nothing, and the table has them all.
func TestPickers_allRowsWork(t *testing.T) {
	cfg := pickersConfig{Rows: pickerRows, Sizes: []int{10, 50}, Rounds: 1, Window: time.Millisecond}
	found, err := runPickers(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	writePickers(&table, found)
	for _, row := range pickerRows {
		if got := strings.Count(table.String(), "| "+row.Title+" |"); got != 4 {
			t.Errorf("%q stands %d times in the table, want 4", row.Title, got)
		}
	}
	for _, r := range found {
		if !strings.HasPrefix(r.Row, "grpc-") && r.Allocs > 0.2 { // others run meanwhile
			t.Errorf("%s among %d: %v allocations a pick, want 0", r.Row, r.N, r.Allocs)
		}
		if r.NS.Median <= 0 {
			t.Errorf("%s among %d: %v ns", r.Row, r.N, r.NS.Median)
		}
	}
}

// The comparison is fair only if grpc-go's balancer really has weights to deal with.
func TestPickers_grpcHasWeights(t *testing.T) {
	builder := balancer.Get(weightedroundrobin.Name)
	config := []byte(`{"blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}`)
	cfg, err := builder.(balancer.ConfigParser).ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	cc := new(readyConn)
	b := builder.Build(cc, balancer.BuildOptions{})
	defer b.Close()
	if err := cc.connect(b, 10, cfg); err != nil {
		t.Fatal(err)
	}
	got := map[balancer.SubConn]int{}
	for range 15_000 {
		r, err := cc.state().Picker.Pick(balancer.PickInfo{Ctx: context.Background()})
		if err != nil {
			t.Fatal(err)
		}
		got[r.SubConn]++
	}
	least, most := 15_000, 0
	for _, n := range got {
		least, most = min(least, n), max(most, n)
	}
	if len(got) != 10 || least < 450 || least > 550 || most < 2400 || most > 2600 {
		t.Errorf("%d connections with %d to %d picks, want 10 with 500 to 2500", len(got), least, most)
	}
}

func BenchmarkPickers(b *testing.B) {
	for _, row := range pickerRows {
		for _, n := range []int{10, 1000} {
			b.Run(fmt.Sprintf("%s/n=%d", row.Name, n), func(b *testing.B) {
				s, err := row.Make(n)
				if err != nil {
					b.Fatal(err)
				}
				if s.close != nil {
					defer s.close()
				}
				loop := s.worker()
				b.ReportAllocs()
				b.ResetTimer()
				loop(b.N)
			})
		}
	}
}
