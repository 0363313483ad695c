// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/fallback"
)

func ExampleNew() {
	spare, err := fallback.New(fallback.Config{
		Static: fallback.Static{Status: 200, ContentType: "application/json", Body: `{"reviews":[]}`},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	broken := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	w := enmeshtest.NewWire(enmeshtest.Answer(broken))
	err = w.Do(context.Background(), enmesh.Fixed(false, spare))
	reply := w.Call().ReplyFor(err)
	fmt.Println(err, reply.Status, string(reply.Body), reply.Header[fallback.Header])
	// Output: <nil> 200 {"reviews":[]} [static]
}

func ExampleFunction() {
	greet := func(_ context.Context, c *enmesh.Call, err error) *enmesh.Reply {
		return &enmesh.Reply{Status: 200, Body: []byte("no " + c.Path + ": " + err.Error())}
	}
	spare, _ := fallback.New(fallback.Config{}, fallback.Function(greet))
	w := enmeshtest.NewWire(enmeshtest.Answer(&enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Status: 500}))
	w.Call().Path = "/stars"
	err := w.Do(context.Background(), enmesh.Fixed(false, spare))
	fmt.Println(string(w.Call().ReplyFor(err).Body))
	// Output: no /stars: INTERNAL
}

func ExampleThrough() {
	logged := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			fmt.Println("asking", c.Destination)
			return next(ctx, c)
		}
	}
	spare, _ := fallback.New(fallback.Config{Destination: enmesh.Destination{Service: "archive"}}, fallback.Through(logged))
	w := enmeshtest.NewWire(enmeshtest.Answer(&enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true}), enmeshtest.Answer(nil))
	fmt.Println(w.Do(context.Background(), enmesh.Fixed(true, spare)))
	// Output:
	// asking archive
	// <nil>
}
