// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// counts is what a load has seen.
type counts struct {
	Visits    int            `json:"visits"` // each is one call over HTTP to front, and one over HTTP and one over gRPC to greeter
	Failed    int            `json:"failed"`
	Errors    []string       `json:"errors"` // the first ten
	Greetings map[string]int `json:"-"`      // by the name of the instance; both protocols
}

// load visits front at a steady rate.
type load struct {
	client *http.Client
	mu     sync.Mutex
	seen   counts
}

const (
	visitors  = 64 // that may wait for their answer at once
	maxErrors = 10
)

// run visits so many times a second until ctx ends, and returns when all visits are answered.
func (l *load) run(ctx context.Context, rate int) {
	calls := context.WithoutCancel(ctx) // the last visits are answered too
	turn := make(chan struct{}, visitors)
	var under sync.WaitGroup
	defer under.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-ctx.Done():
			return
		case turn <- struct{}{}:
		}
		under.Go(func() {
			defer func() { <-turn }()
			l.visit(calls)
		})
	}
}

// visit makes one visit, and counts it.
func (l *load) visit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var v visit
	err := fetch(ctx, l.client, "http://front/", &v)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen.Visits++
	if err != nil {
		l.seen.Failed++
		if len(l.seen.Errors) < maxErrors {
			l.seen.Errors = append(l.seen.Errors, err.Error())
		}
		return
	}
	l.seen.Greetings[v.HTTP]++
	l.seen.Greetings[v.GRPC]++
}

func (l *load) greetings(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen.Greetings[name]
}
