// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package shed refuses calls while the program has more than it can do, those that matter
// least first.
//
// A program that takes every call when too many come answers none of them in time: each
// waits behind all the others, its caller gives up, and the work is done for nobody. One
// that refuses what is too much goes on at its best, and refusing costs next to nothing.
//
// A [Shedder] watches the CPU, the wait for it and the calls in flight, and lets through
// the part that the program can bear. A [Queue] runs a number of calls at once and bounds
// how long the rest wait: for programs that know how many that is, as by the size of a
// pool. Both are gates for a server:
//
//	shedder, err := shed.New(shed.Config{CPU: 0.9, InFlight: 500})
//	if err != nil {
//		return err
//	}
//	defer shedder.Close()
//	router := enmesh.Fixed(false, enmesh.Chain(shed.Receive(nil), enmesh.Guard(shedder)))
//
// How much a call matters its caller says, in a header: [Receive] reads it on a server,
// [Send] writes it on a client, and since both go by the context, a call that is made to
// serve another matters as much as that one:
//
//	ctx = enmesh.WithCriticality(ctx, enmesh.Sheddable) // a report, at night
//	res, err := reviews.List(ctx, req)
//
// # The order
//
// On a server: Receive behind what verifies the peer, then Shedder, then Queue. On a
// client: Send outside retry and hedge, so that every attempt carries the header.
//
// # What a refusal says
//
// [ErrOverloaded]: 503 or UNAVAILABLE, with the mark "do not send this again", which retries at
// every hop above heed. It is Neutral: on the server it counts against nobody.
//
// # Limits
//
// CPU is known on Linux only. A Shedder knows what this program uses, and nothing of what
// it calls: for that a client has package concurrency.
package shed
