// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// gateFunc is a Gate that only refuses.
type gateFunc func(c *enmesh.Call) error

func (f gateFunc) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, f(c)
}
func (f gateFunc) Done(enmesh.Token, enmesh.Result) {}

func Example() {
	closed := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Policy: "hours", Err: errors.New("closed on Sundays")}
	sundays := gateFunc(func(c *enmesh.Call) error {
		if c.Header.Get("Day") == "Sunday" {
			return closed
		}
		return nil
	})
	for _, day := range []string{"Monday", "Sunday"} {
		w := enmeshtest.NewWire()
		w.Call().Header = enmeshtest.Header{"Day": {day}}
		err := w.Do(context.Background(), enmesh.Fixed(false, enmesh.Guard(sundays)))
		fmt.Println(day, enmesh.CodeOf(err), enmesh.OutcomeOf(err), err)
	}
	// Output:
	// Monday OK success <nil>
	// Sunday UNAVAILABLE neutral hours: closed on Sundays
}

func ExampleNaming_Key() {
	n := enmesh.Naming{Namespace: "shop"}
	for _, host := range []string{"reviews", "reviews.shop:9080", "Reviews.shop.svc", "example.com"} {
		fmt.Println(n.Key(host))
	}
	// Output:
	// reviews.shop.svc.cluster.local
	// reviews.shop.svc.cluster.local
	// reviews.shop.svc.cluster.local
	// example.com
}

func ExampleGuard() {
	gate := &enmeshtest.Gate{}
	w := enmeshtest.NewWire()
	_ = w.Do(context.Background(), enmesh.Fixed(false, enmesh.Guard(gate)))
	fmt.Println("answered, body running:", gate.Open())
	w.Finish(nil)
	fmt.Println("body read:", gate.Open())
	// Output:
	// answered, body running: 1
	// body read: 0
}

func ExampleChain() {
	say := func(word string) enmesh.Middleware {
		return func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error {
				fmt.Println("in", word)
				defer fmt.Println("out", word)
				return next(ctx, c)
			}
		}
	}
	_ = enmeshtest.NewWire().Do(context.Background(), enmesh.Fixed(false, say("outer"), say("inner")))
	// Output:
	// in outer
	// in inner
	// out inner
	// out outer
}
