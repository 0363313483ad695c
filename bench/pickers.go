// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync/atomic"

	"github.com/enmesh-go/enmesh/balance"
	"google.golang.org/grpc/balancer/leastrequest"
	"google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/balancer/weightedroundrobin"
)

// pickerSizes are the numbers of endpoints that a run has.
var pickerSizes = []int{10, 100, 1000, 10_000}

// grpcMost is the number of endpoints up to which grpc-go's balancers get all of them
// connected in a time that one likes to wait: it grows with the square.
const grpcMost = 1000

// pickerRow is a picker in the comparison; another is added to pickerRows.
type pickerRow struct {
	Name   string
	Title  string
	Versus string  // the row that it is compared with in the same round, "" if none
	Limit  float64 // what the ratio is to stay under, 0 if nothing is promised
	Flat   bool    // promised to cost the same at any size
	Most   int     // the largest size; 0: any
	Make   func(n int) (*subject, error)
}

// subject is a picker that is ready to be measured.
type subject struct {
	worker func() func(count int) // for each goroutine: what picks so often
	close  func()                 // nil: nothing to close
}

var pickerRows = []pickerRow{
	{Name: "atomic", Title: "a bare atomic counter", Flat: true, Make: bareCounter},
	{Name: "bare-two", Title: "power of two by latency, bare, with the clock", Flat: true, Make: bareTwo},
	{Name: "bare-alias", Title: "an alias table, bare", Flat: true, Make: bareAlias},

	{Name: "grpc-rr", Title: "grpc-go round_robin", Most: grpcMost, Make: grpcPicker(roundrobin.Name, `{}`)},
	{Name: "rr", Title: "RoundRobin, the pick alone", Versus: "grpc-rr", Limit: 2, Flat: true, Make: pickOnly(balance.RoundRobin(), even)},
	{Name: "rr-done", Title: "RoundRobin, admitted and released", Versus: "grpc-rr", Flat: true, Make: pickAndDone(balance.RoundRobin(), even)},

	{Name: "grpc-wrr", Title: "grpc-go weighted_round_robin", Most: grpcMost, Make: grpcPicker(weightedroundrobin.Name, `{"blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}`)},
	{Name: "wrr", Title: "WeightedRoundRobin, the pick alone", Versus: "grpc-wrr", Limit: 1, Flat: true, Make: pickOnly(balance.WeightedRoundRobin(), uneven)},
	{Name: "wrr-done", Title: "WeightedRoundRobin, admitted and released", Versus: "grpc-wrr", Limit: 1, Flat: true, Make: pickAndDone(balance.WeightedRoundRobin(), uneven)},
	{Name: "grpc-wrr-told", Title: "grpc-go weighted_round_robin, told of the load with every answer", Most: grpcMost, Make: grpcPickerTold(weightedroundrobin.Name, `{"blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}`, loads)},
	{Name: "wrr-told", Title: "WeightedRoundRobin, admitted and released, beside that", Versus: "grpc-wrr-told", Limit: 1, Make: pickAndDone(balance.WeightedRoundRobin(), uneven)},

	{Name: "grpc-lr", Title: "grpc-go least_request", Most: grpcMost, Make: grpcPicker(leastrequest.Name, `{"choiceCount": 2}`)},
	{Name: "lr", Title: "LeastRequest(2)", Versus: "grpc-lr", Limit: 1, Flat: true, Make: pickAndDone(balance.LeastRequest(2), even)},
	{Name: "lr-weights", Title: "LeastRequest(2), weights", Versus: "grpc-lr", Limit: 1, Flat: true, Make: pickAndDone(balance.LeastRequest(2), uneven)},
	{Name: "ewma", Title: "PowerOfTwo", Versus: "grpc-lr", Flat: true, Make: pickAndDone(balance.PowerOfTwo(), even)},
	{Name: "ewma-weights", Title: "PowerOfTwo, weights", Versus: "grpc-lr", Flat: true, Make: pickAndDone(balance.PowerOfTwo(), uneven)},
	{Name: "two", Title: "PowerOfTwo, with the clock", Versus: "bare-two", Limit: 1.5, Flat: true, Make: withClock(balance.PowerOfTwo(), even)},
	{Name: "random", Title: "Random, weights, the pick alone", Versus: "bare-alias", Limit: 2, Flat: true, Make: pickOnly(balance.Random(), uneven)},
	{Name: "random-done", Title: "Random, weights, admitted and released", Flat: true, Make: pickAndDone(balance.Random(), uneven)},

	{Name: "grpc-ring", Title: "grpc-go ring_hash", Most: grpcMost, Make: grpcPicker(ringhash.Name, `{"requestHashHeader": "user"}`)},
	{Name: "ring", Title: "RingHash", Versus: "grpc-ring", Limit: 1, Make: pickAndDone(balance.RingHash(balance.RingHashConfig{}), even)},
	{Name: "maglev", Title: "Maglev, beside ring_hash", Versus: "grpc-ring", Limit: 1, Make: pickAndDone(balance.Maglev(balance.MaglevConfig{}), even)},
}

// uneven are weights 1 to 5 in turn.
func uneven(i int) uint32 { return uint32(1 + i%5) }

// even are weights that are the same.
func even(int) uint32 { return 1 }

// bareCounter is the least that taking turns can cost.
func bareCounter(n int) (*subject, error) {
	eps := ourEndpoints(n, even)
	next := new(atomic.Uint32)
	return &subject{worker: func() func(int) {
		return func(count int) {
			for range count {
				if eps[next.Add(1)%uint32(len(eps))] == nil {
					panic("bench: no endpoint")
				}
			}
		}
	}}, nil
}
