// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"
)

// model is what the metadata should be: a map, written in place.
type model map[string][]string

func (m model) equal(md metadata.MD) bool {
	clean := func(in map[string][]string) map[string][]string {
		out := map[string][]string{}
		for k, v := range in {
			if len(v) > 0 {
				out[k] = v
			}
		}
		return out
	}
	return maps.EqualFunc(clean(m), clean(md), slices.Equal[[]string])
}

// Any sequence of writes gives what it would give on a map, attempt after attempt, and
// never reaches the caller's metadata, an attempt already sent, or a fork.
func TestOutgoing_behavesAsAMap(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		ctx := context.Background()
		want := model{}
		var mine metadata.MD
		if seed%3 > 0 {
			mine = metadata.Pairs("a", "caller", "b", "caller", "b", "twice")
			ctx = metadata.NewOutgoingContext(ctx, mine)
			ctx = metadata.AppendToOutgoingContext(ctx, "c", "appended")
			want = model{"a": {"caller"}, "b": {"caller", "twice"}, "c": {"appended"}}
		}
		before := mine.Copy()
		x := &unaryCall{}
		x.Begin(ctx, x)
		h := x.headers()
		for attempt := range 3 {
			for range r.IntN(5) {
				key, value := string(rune('a'+r.IntN(5))), fmt.Sprint(r.IntN(100))
				switch r.IntN(4) {
				case 0, 1:
					h.Set(key, value)
					want[key] = []string{value}
				case 2:
					h.Add(key, value)
					want[key] = append(slices.Clone(want[key]), value)
				case 3:
					h.Del(key)
					delete(want, key)
				}
				if !slices.Equal(h.Values(key), want[key]) || h.Get(key) != first(want[key]) {
					t.Fatalf("seed %d: %s = %v, want %v", seed, key, h.Values(key), want[key])
				}
			}
			sent, _ := metadata.FromOutgoingContext(h.send(ctx))
			if !want.equal(sent) {
				t.Fatalf("seed %d: attempt %d sends %v, want %v", seed, attempt, sent, want)
			}
			earlier := h.send(ctx)
			fork := &unaryCall{}
			fork.Begin(ctx, fork)
			fork.branch(&x.exchange)
			fork.headers().Set("a", "fork")
			fork.headers().Add("z", "fork")
			h.Set("late", "yes")
			if again, _ := metadata.FromOutgoingContext(earlier); !want.equal(again) {
				t.Fatalf("seed %d: an attempt already sent became %v, want %v", seed, again, want)
			}
			h.Del("late")
		}
		if !model(before).equal(mine) {
			t.Fatalf("seed %d: the caller's metadata became %v", seed, mine)
		}
	}
}

func TestOutgoing_oneKeyCostsNothingToCollect(t *testing.T) {
	x := &unaryCall{}
	x.Begin(context.Background(), x)
	if n := testing.AllocsPerRun(100, func() { x.headers().Set("traceparent", "00-01") }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
