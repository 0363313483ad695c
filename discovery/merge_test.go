// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleMerge() {
	pinned := discovery.NewStatic(map[string][]discovery.Endpoint{
		"reviews": {{Addrs: []string{"10.0.0.1:80"}, Labels: map[string]string{"version": "v2"}}},
	})
	registry := discovery.NewStatic(map[string][]discovery.Endpoint{
		"reviews": {{Addrs: []string{"10.0.0.2:80"}}},
	})
	both := discovery.NewMemory() // a source that does not know the service hides nothing
	for eps := range discovery.Merge(pinned, registry, both).Watch(context.Background(), "reviews") {
		if len(eps) < 2 {
			continue // one source was quicker
		}
		for _, e := range eps {
			fmt.Println(e.Addrs[0], e.EffectiveVersion())
		}
		break
	}
	// Output:
	// 10.0.0.1:80 v2
	// 10.0.0.2:80
}

func TestMerge_prefersTheFirstAndHidesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var one, two script
		r := collect(ctx, discovery.Merge(&one, &two), "a")
		step := func(f func()) { f(); synctest.Wait() }
		step(func() { two.say(at("x:1"), at("y:1")) })
		step(func() { one.fail("refused") })
		step(func() { two.say(at("x:1"), at("z:1")) })
		step(func() { one.say(at("z:1", "z:2"), at("o:1")) })
		step(func() { one.say(at("o:1"), at("z:1", "z:2")) }) // the same
		step(func() { one.say() })
		step(func() { two.say() })
		r.want(t, "set x:1 y:1", "error discovery: source 1 of 2: refused", "set x:1 z:1",
			"set z:1 z:2 o:1 x:1", "set x:1 z:1", "set ")
	})
}

func TestMerge_waitsWithTheEmptySetForAllSources(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var one, two, three script
		r := collect(ctx, discovery.Merge(&one, &two, &three), "a")
		step := func(f func()) { f(); synctest.Wait() }
		unknown := line{err: fmt.Errorf("%w: a", discovery.ErrUnknownService)}
		step(func() { one.say() })
		step(func() { two.tell(unknown) })
		r.want(t)
		step(func() { three.fail("refused") })
		r.want(t, "error discovery: source 3 of 3: refused")
		step(func() { three.say() })
		r.want(t, "error discovery: source 3 of 3: refused", "set ")
	})
}

func TestMerge_isUnknownWhenEverySourceSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		one, two := discovery.NewMemory(), discovery.NewMemory()
		both := discovery.Merge(one, two)
		r := collect(ctx, both, "a")
		synctest.Wait()
		if _, err := both.(discovery.Looker).Lookup(ctx, "a"); !errors.Is(err, discovery.ErrUnknownService) {
			t.Errorf("Lookup = %v", err)
		}
		two.Set("a", at("x:1"))
		synctest.Wait()
		r.want(t, "error discovery: unknown service*", "set x:1")
		one.Set("a", at("y:1"))
		set, err := both.(discovery.Looker).Lookup(ctx, "a")
		if err != nil || !discovery.EqualSets(set, []discovery.Endpoint{at("x:1"), at("y:1")}) {
			t.Errorf("Lookup = %v, %v", set, err)
		}
		none := collect(ctx, discovery.Merge(), "a")
		static := discovery.NewStatic(nil)
		fixed := collect(ctx, discovery.Merge(static, static), "a")
		synctest.Wait()
		none.want(t, "error *", "set ")
		fixed.want(t, "error *", "set ")
	})
}

func TestMerge_aReaderThatLeavesEarlyLeavesNothingBehind(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var one, two script
		one.say(at("x:1"))
		two.say(at("y:1"))
		for range discovery.Merge(&one, &two).Watch(ctx, "a") {
			break
		}
		for _, s := range []*script{&one, &two} {
			if open, opened, _ := s.counts(); open != 0 || opened != 1 {
				t.Errorf("%d watches open of %d", open, opened)
			}
		}
	})
}

func TestMerge_lookupFailsWithASource(t *testing.T) {
	var one, two asked
	one.say(at("x:1"))
	two.refuse(errors.New("refused"))
	_, err := discovery.Merge(&one, &two).(discovery.Looker).Lookup(t.Context(), "a")
	if want := "discovery: source 2 of 2: refused"; err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}
