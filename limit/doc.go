// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package limit admits calls at a rate and refuses the rest: on a server to protect the
// program and to share it out among its callers, on a client to protect its neighbours.
//
//	bucket, err := limit.NewTokenBucket(limit.Config{Rate: 100, Burst: 20})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(false, bucket.Middleware())
//
// # Which one
//
//	TokenBucket     a steady rate, and a burst after a pause; when in doubt
//	LeakyBucket     an even outflow: calls wait their turn, none in vain
//	FixedWindow     so many a minute, as a quota is written in a contract; twice as many
//	                where two minutes meet
//	SlidingCounter  so many in any minute, in a few bytes
//	SlidingLog      so many in any minute, to the call, in 16 bytes a call and 2 MiB at most
//	Keyed           one of TokenBucket, FixedWindow and SlidingCounter for each caller,
//	                header, path or address, in bounded memory
//
// All but LeakyBucket are gates that never wait: Middleware puts them into a route's chain,
// and they can be hung on an endpoint as well. LeakyBucket is a middleware. Each is also
// there without a call: AllowAt takes the time as an argument, Wait is for those who
// would rather come later than not at all, and ReserveAt takes a place ahead and says how
// long it is until then; nobody is served before those who have one. The two buckets keep a
// place for whoever waits, too. Who waits for a window asks again when it is to have room: a
// place in it counts there, whether he comes or not. Keyed has AllowAt and Wait, which asks
// again, and keeps no places.
//
// # What a call takes, and what it is told
//
// A call takes one unit, or as many as [Terms] say. A refused call has gone nowhere. Its
// error is [ErrLimited], reads as 429 (or the Status of the Terms) or RESOURCE_EXHAUSTED,
// and says when the call would pass, which adapters write out on a server as Retry-After,
// or as gRPC's pushback and RetryInfo. A server's refusals, and if asked for all its
// answers, carry the headers RateLimit-Policy and RateLimit, and Envoy's if asked for.
// Refusals are neutral: they trip no breaker and eject no endpoint.
//
// # Many keys
//
// [Keyed] holds a state for each key, by a keyed hash of it, so that neither the length of
// keys nor their choice does harm. A key keeps its place while it is limited. When a table
// is full of such, as in an attack by keys that nobody has seen before, new keys share one
// limit: what is known goes on undisturbed, and memory stays where it is.
//
// # Limits of it
//
// A limit is one process's own; for one that a fleet shares there is package redislimit, and
// for one that Envoy's rate limit service decides package rls; both as a [Remote] too, where
// policy asks for them. A limit
// counts calls, retries only if it stands inside the retry. To bound how many run at once,
// which is what a program can bear when calls slow down, use package concurrency.
package limit
