// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open makes a Registry over the fake, to be closed by the test.
func open(t *testing.T, cfg consul.Config) *consul.Registry {
	t.Helper()
	r, err := consul.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// collector ranges over a watch on its own goroutine and keeps what it yielded.
type collector struct {
	mu   sync.Mutex // guards what follows
	sets [][]discovery.Endpoint
	errs []error
	done chan struct{}
	end  context.CancelFunc
}

func collect(r discovery.Resolver, service string) *collector {
	ctx, cancel := context.WithCancel(context.Background())
	c := &collector{done: make(chan struct{}), end: cancel}
	go func() {
		defer close(c.done)
		for eps, err := range r.Watch(ctx, service) {
			c.mu.Lock()
			if err != nil {
				c.errs = append(c.errs, err)
			} else {
				c.sets = append(c.sets, eps)
			}
			c.mu.Unlock()
		}
	}()
	return c
}

func (c *collector) stop() {
	c.end()
	<-c.done
}

// last is the addresses of the last set, in order, and how many sets there were.
func (c *collector) last() (addrs string, sets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sets) == 0 {
		return "none", 0
	}
	return addresses(c.sets[len(c.sets)-1]), len(c.sets)
}

func addresses(eps []discovery.Endpoint) string {
	var out []string
	for _, ep := range eps {
		out = append(out, strings.Join(ep.Addrs, ","))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (c *collector) want(t *testing.T, addrs string, sets int) {
	t.Helper()
	if got, n := c.last(); got != addrs || n != sets {
		t.Errorf("the watch has yielded %d sets, the last %q; want %d, %q", n, got, sets, addrs)
	}
}

// errors are the reasons of the errors so far.
func (c *collector) reasons() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, err := range c.errs {
		var e *consul.Error
		if errors.As(err, &e) {
			out = append(out, e.Reason)
		} else {
			out = append(out, err.Error())
		}
	}
	return out
}

// events collects what a Registry tells.
type events struct {
	mu  sync.Mutex // guards all
	all []consul.Event
}

func (e *events) add(ev consul.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

func (e *events) count(kind consul.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, ev := range e.all {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}
