// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

// collector ranges over a watch on its own goroutine and keeps what it yielded,
// as "set a:1 b:1" or "error text".
type collector struct {
	mu     sync.Mutex // guards events
	events []string
	done   chan struct{}
}

func collect(ctx context.Context, r discovery.Resolver, service string) *collector {
	return collectFrom(r.Watch(ctx, service))
}

func collectFrom(watch iter.Seq2[[]discovery.Endpoint, error]) *collector {
	c := &collector{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for eps, err := range watch {
			c.add(eps, err)
		}
	}()
	return c
}

func (c *collector) add(eps []discovery.Endpoint, err error) {
	event := "set "
	if err != nil {
		event = "error " + err.Error()
	} else {
		var addrs []string
		for _, e := range eps {
			addrs = append(addrs, e.Addrs...)
		}
		event += strings.Join(addrs, " ")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, event)
}

// want compares all events so far; an expected event may be a prefix ending in *.
func (c *collector) want(t *testing.T, want ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	match := func(got, want string) bool {
		prefix, open := strings.CutSuffix(want, "*")
		return got == want || open && strings.HasPrefix(got, prefix)
	}
	if !slices.EqualFunc(c.events, want, match) {
		t.Errorf("events = %q, want %q", c.events, want)
	}
}

// wait blocks until the range has ended.
func (c *collector) wait(t *testing.T) {
	t.Helper()
	<-c.done
}
