// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what a mesh costs: each stack side by side with the same
// thing done by net/http or grpc-go alone, in one run.
//
//	go run . -rounds 40
//
// # How it measures
//
// A stack is a client and a server, two processes on the loopback interface with
// GOMAXPROCS=2 each. The client calls in a closed loop: c workers, each with one call
// of 100 bytes at a time, over one connection (HTTP/1.1: one connection a worker). A
// window lasts 0.6 s, after a warm-up. Its figure is CPU: what getrusage says of both
// processes over the window, for 100,000 calls. Calls per second and latencies are
// reported too, and say less: they swing with whatever else the machine does.
//
// A round runs every stack once, in an order drawn anew, each with two fresh
// processes, so that no process's luck with its memory layout stays for the run. A
// ratio is taken inside a round: the stack's CPU over that of its baseline in the
// same round, which has the same TLS. The table shows the median over all rounds and
// the interval that holds the true median with 95% confidence (order statistics; no
// distribution is assumed). Two rows are controls: the baseline a second time, under
// another name. What they show beside 1.00 is what chance makes of nothing.
//
// The processes hold next to nothing, so that the garbage collector runs every few
// hundred calls, and each allocated byte weighs more than in a program with a heap of
// its own. -heap 64 gives every process of every stack 64 MiB to hold, which is nearer
// to such a program; the default is 0, the hardest case.
//
// Allocations are those of the client's process for one call (MemStats.Mallocs) and
// hardly vary.
//
// # Pickers
//
//	go run . -pickers
//
// compares what one pick costs, in one process and without a wire, with grpc-go's own
// pickers, each under a ClientConn whose connections are ready at once, from 10 to 10,000
// endpoints, alone and with two goroutines. Ours are measured with the admission and the
// release of the endpoint, which keep its statistics, and without readings of the clock, which
// a call has anyway; grpc-go's with the Done that some of them ask for. A round measures
// each for 10 ms, those of one size next to each other in an order drawn anew; ratios and
// their intervals are taken as above. Another picker is a row of the table pickerRows.
//
// What breakers, limits and retries cost, beside other libraries, is measured by a program
// of its own, see package limits.
//
// # Stacks
//
// A stack is a row of a table (see stacks in stack.go); another is added there. Its
// functions run inside the child processes.
//
// # Limits
//
// Client, server and kernel share the machine's processors; on a machine with more
// of them, locks would show that do not show here. Windows has no getrusage and is
// refused.
package main
