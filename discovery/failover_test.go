// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleFailover() {
	near := discovery.NewStatic(map[string][]discovery.Endpoint{"reviews": {}})
	far := discovery.NewStatic(map[string][]discovery.Endpoint{"reviews": {{Addrs: []string{"10.1.0.1:80"}}}})
	for eps := range discovery.Failover(0, near, far).Watch(context.Background(), "reviews") {
		fmt.Println(eps[0].Addrs[0])
		break
	}
	// Output:
	// 10.1.0.1:80
}

func TestFailover_usesTheSecondOnlyWhileTheFirstIsEmpty(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var near, far script
		far.say(at("f:1"))
		near.say(at("n:1"))
		r := collect(ctx, discovery.Failover(0, &near, &far), "a")
		pass(time.Hour)
		if _, opened, _ := far.counts(); opened != 0 {
			t.Error("the second is watched while the first serves")
		}
		near.say()
		synctest.Wait()
		near.say(at("n:2"))
		synctest.Wait()
		if open, opened, _ := far.counts(); open != 0 || opened != 1 {
			t.Errorf("watches of the second: %d open of %d", open, opened)
		}
		near.say()
		synctest.Wait()
		far.say()
		synctest.Wait()
		r.want(t, "set n:1", "set f:1", "set n:2", "set f:1", "set ")
	})
}

func TestFailover_aSourceThatFailsIsLeftAfterAWhile(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var near, far script
		far.say(at("f:1"))
		near.say(at("n:1"))
		r := collect(ctx, discovery.Failover(20*time.Second, &near, &far), "a")
		synctest.Wait()
		near.fail("one")
		pass(5 * time.Second)
		near.fail("two")
		pass(14 * time.Second)
		r.want(t, "set n:1", "error one", "error two")
		pass(time.Second)
		r.want(t, "set n:1", "error one", "error two", "set f:1")
		near.say(at("n:1"))
		pass(time.Hour)
		r.want(t, "set n:1", "error one", "error two", "set f:1", "set n:1")
	})
}

func TestFailover_aSourceThatIsSilentIsLeftAfterAWhile(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var near, far script
		far.say(at("f:1"))
		r := collect(ctx, discovery.Failover(0, &near, &far), "a")
		pass(10*time.Second - time.Millisecond)
		r.want(t)
		pass(time.Millisecond)
		r.want(t, "set f:1")
	})
}

func TestFailover_theLastSetStaysWhenAllFail(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var near, mid, far script
		near.say(at("n:1"))
		r := collect(ctx, discovery.Failover(time.Second, &near, &mid, &far), "a")
		synctest.Wait()
		near.fail("near")
		pass(time.Minute)
		mid.fail("mid")
		synctest.Wait()
		far.fail("far")
		pass(time.Minute)
		r.want(t, "set n:1", "error near", "error mid", "error far")
		far.say(at("f:1"))
		pass(time.Minute)
		r.want(t, "set n:1", "error near", "error mid", "error far", "set f:1")
	})
}

func TestFailover_isUnknownWhenEverySourceSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		near, far := discovery.NewMemory(), discovery.NewMemory()
		r := collect(ctx, discovery.Failover(0, near, far), "a")
		fixed := collect(ctx, discovery.Failover(0, discovery.NewStatic(nil), discovery.NewStatic(nil)), "a")
		synctest.Wait()
		r.want(t, "error discovery: unknown service*")
		fixed.want(t, "error discovery: unknown service*", "set ")
		far.Set("a", at("f:1"))
		synctest.Wait()
		near.Set("a", at("n:1"))
		synctest.Wait()
		r.want(t, "error discovery: unknown service*", "set f:1", "set n:1")
	})
}

func TestFailover_lookupAsksOneAfterTheOther(t *testing.T) {
	refused := errors.New("refused")
	for _, tt := range []struct {
		name      string
		near, far line
		want      string // an address, "" for the empty set
		err       error
	}{
		{"first has it", line{set: hosts(1)}, line{err: refused}, "h0:1", nil},
		{"first is empty", line{}, line{set: hosts(1)}, "h0:1", nil},
		{"first fails", line{err: refused}, line{set: hosts(1)}, "h0:1", nil},
		{"first is empty, second fails", line{}, line{err: refused}, "", nil},
		{"both fail", line{err: errors.New("other")}, line{err: refused}, "", refused},
	} {
		var near, far asked
		near.tell(tt.near)
		far.tell(tt.far)
		set, err := discovery.Failover(0, &near, &far).(discovery.Looker).Lookup(t.Context(), "a")
		got := ""
		if len(set) > 0 {
			got = set[0].Addrs[0]
		}
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, %v; want %q, %v", tt.name, set, err, tt.want, tt.err)
		}
	}
	var near asked
	if _, err := discovery.Failover(0, &script{}, &near).(discovery.Looker).Lookup(t.Context(), "a"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("one that cannot be asked: %v", err)
	}
}
