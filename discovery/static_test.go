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

func ExampleNewStatic() {
	registry := discovery.NewStatic(map[string][]discovery.Endpoint{
		"ratings": {{Addrs: []string{"127.0.0.1:9081"}}, {Addrs: []string{"127.0.0.1:9082"}}},
	})
	for eps, err := range registry.Watch(context.Background(), "ratings") {
		if err != nil {
			fmt.Println(err)
			continue
		}
		for _, e := range eps {
			fmt.Println(e.Addrs[0])
		}
		break
	}
	// Output:
	// 127.0.0.1:9081
	// 127.0.0.1:9082
}

func TestStatic_yieldsOnceAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := map[string][]discovery.Endpoint{"a": {{Addrs: []string{"x:1"}}}, "none": nil}
		s := discovery.NewStatic(in)
		in["a"][0].Addrs[0] = "edited after"
		ctx, cancel := context.WithCancel(t.Context())
		a, none := collect(ctx, s, "a"), collect(ctx, s, "none")
		synctest.Wait()
		a.want(t, "set x:1")
		none.want(t, "set ")
		cancel()
		a.wait(t)
		none.wait(t)
		collect(ctx, s, "a").wait(t)
	})
}

func TestStatic_unknownServiceIsAnErrorThenEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := discovery.NewStatic(map[string][]discovery.Endpoint{"reviews": nil})
		ctx, cancel := context.WithCancel(t.Context())
		var events []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for eps, err := range s.Watch(ctx, "review") {
				switch {
				case errors.Is(err, discovery.ErrUnknownService):
					events = append(events, "unknown")
				case eps != nil && len(eps) == 0:
					events = append(events, "empty")
				}
			}
		}()
		synctest.Wait()
		cancel()
		<-done
		if got, want := fmt.Sprint(events), "[unknown empty]"; got != want {
			t.Errorf("events = %s, want %s", got, want)
		}
	})
}
