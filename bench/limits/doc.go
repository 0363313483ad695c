// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command limits measures what resilience policies and limits cost, beside those of other
// libraries, in one process and without a wire:
//
//	go run ./limits -rounds 40
//	go run ./limits -groups 'bucket|million'
//
// # How it measures
//
// A row of a table (see groups in rows.go) is one policy that is asked, admits or refuses,
// and is told how the call ended, where it wants to know. A round asks each for 10 ms, with one
// goroutine and with two; those of one group stand next to each other, in an order drawn
// anew. Nanoseconds are wall time over the asks of all goroutines. A ratio is taken within
// a round; the table shows the median over all rounds, and the interval that holds the true
// median with 95% confidence.
//
// Every row is asked through a func value, and reads the clock as often as it does in a
// program, the peers within, ours outside: enmesh's policies take the time as an argument,
// since a call shares its readings. Where a peer reads the clock, ours are given a reading
// of their own for every ask, which is 25 ns of their figures that a chain pays only once.
//
// It is a program of its own, beside the one that measures stacks, because some of the
// libraries start goroutines that sample the processor as soon as they are linked in.
//
// The last table is of enmesh's rows alone, as ratios.
//
// # What the rows do
//
// Ours stand in a chain, as middleware, where the peers have a form without a closure that
// hears the end (TryAcquirePermit and RecordSuccess, Allow and a promise); the peers are asked
// in that form, which is their cheapest. Breakers and limits that go by the processor's load
// have a threshold that nothing reaches. The baselines are the least that each could cost: one
// word that is compared and swapped with a reading of the clock, and for a million
// keys an open table of such words by a hash that is given.
package main
