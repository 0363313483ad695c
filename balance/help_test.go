// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// seeded is a random source that repeats itself from run to run.
func seeded() func() uint64 { return rand.New(rand.NewPCG(1, 2)).Uint64 }

// told is a registry's list of n endpoints; weight(i) is the weight of each.
func told(n int, weight func(i int) uint32) []discovery.Endpoint {
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		eps[i] = discovery.Endpoint{
			Addrs:  []string{fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255)},
			Labels: map[string]string{"version": fmt.Sprint("v", i%3), "app": "reviews"},
		}
		if weight != nil {
			eps[i].Weight = weight(i)
		}
	}
	return eps
}

// endpoints makes n endpoints in a cluster.
func endpoints(n int, weight func(i int) uint32) []*balance.Endpoint {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(told(n, weight))
	return c.Set().Endpoints
}

// resendable is the wire side of a call that can be sent again and goes nowhere.
type resendable struct{}

func (resendable) Send(context.Context, *enmesh.Call) error { return nil }
func (resendable) Replayable() bool                         { return true }
func (resendable) Discard()                                 {}
func (resendable) Adopt(enmesh.Exchange)                    {}
func (resendable) Fork(context.Context, *enmesh.Call) (*enmesh.Carrier, error) {
	return nil, fmt.Errorf("no forks here")
}

// callThatTried is a call on the attempt after those that went to eps.
func callThatTried(eps ...*balance.Endpoint) *enmesh.Call {
	k := new(enmesh.Carrier)
	k.Begin(context.Background(), resendable{})
	for _, e := range eps {
		k.Picked(e, enmesh.Now())
		k.Call.Again()
	}
	return &k.Call
}

// mustPick picks or fails the test.
func mustPick(t testing.TB, p balance.Picker, c *enmesh.Call) *balance.Endpoint {
	t.Helper()
	e, err := p.Pick(c)
	if err != nil {
		t.Fatalf("Pick: %v", err)
	}
	return e
}

// serve admits one call to e and ends it: answered after latency, with err.
func serve(t testing.TB, e *balance.Endpoint, at enmesh.Instant, latency time.Duration, err error) {
	t.Helper()
	var a balance.Admission
	if err := e.Admit(context.Background(), nil, at, &a); err != nil {
		t.Fatalf("Admit: %v", err)
	}
	end := at.Add(latency)
	a.Release(enmesh.Result{Err: err, Outcome: enmesh.OutcomeOf(err), Answered: end, Ended: end})
}

var errServer = &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Status: 500}
