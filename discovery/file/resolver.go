// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// Config has the knobs of a Resolver. The zero value is good.
type Config struct {
	// Debounce is how long after a change the files are read, and how long they
	// must then stand still before they are taken: a change is seen after about
	// twice this. 0 means 100 ms.
	Debounce time.Duration
	// Poll is how often the files are read when the system reports no change,
	// which it does not on some network file systems. 0 means 5 s.
	Poll time.Duration
}

func (c *Config) complete() error {
	if c.Debounce < 0 || c.Poll < 0 {
		return fmt.Errorf("file: Debounce is %v and Poll %v; neither may be negative", c.Debounce, c.Poll)
	}
	if c.Debounce == 0 {
		c.Debounce = 100 * time.Millisecond
	}
	if c.Poll == 0 {
		c.Poll = 5 * time.Second
	}
	return nil
}

// Resolver is a [discovery.Resolver] over a file or a directory that is watched.
// It is safe for concurrent use.
type Resolver struct {
	path   string
	cfg    Config
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex // guards now and changed; nothing is called under it
	now     state
	changed chan struct{} // closed and replaced on each change
}

// state is what the files say: the last good services, and what is wrong since.
// It is replaced and never written.
type state struct {
	services map[string][]discovery.Endpoint
	err      error
}

// Open reads path, a file or a directory, and begins to watch it, with one
// goroutine of its own until Close. It is an error when the files cannot be used
// now; later errors are news that Watch yields.
func Open(path string, cfg Config) (*Resolver, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	first, err := readAll(path)
	if err != nil {
		return nil, err
	}
	services, err := first.parse()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Resolver{
		path: path, cfg: cfg, cancel: cancel, done: make(chan struct{}),
		now: state{services: services}, changed: make(chan struct{}),
	}
	f := &follower{r: r, taken: string(first.sum[:])}
	f.good = f.taken
	go f.run(ctx)
	return r, nil
}

// Close ends the watching of the files and waits for it. Watches that run keep
// what they have until their context ends. It may be called more than once; the
// error is always nil.
func (r *Resolver) Close() error {
	r.cancel()
	<-r.done
	return nil
}

// Err says why what lies on disk now is not in force, or nil when it is.
func (r *Resolver) Err() error {
	s, _ := r.read()
	return s.err
}

// Watch implements [discovery.Resolver]. A service that is not in the files is
// yielded as an error that wraps [discovery.ErrUnknownService] and then as the
// empty set, since the files are all there is. An edit that cannot be used is
// yielded as an error, and what was good before stays.
func (r *Resolver) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		w := watch{service: service, yield: yield}
		for ctx.Err() == nil {
			s, changed := r.read()
			if !w.tell(ctx, s) {
				return
			}
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
	}
}

// Lookup implements [discovery.Looker]: it reads the files.
func (r *Resolver) Lookup(_ context.Context, service string) ([]discovery.Endpoint, error) {
	c, err := readAll(r.path)
	if err != nil {
		return nil, err
	}
	services, err := c.parse()
	if err != nil {
		return nil, err
	}
	eps, known := services[service]
	if !known {
		return nil, notInFiles(service)
	}
	return eps, nil
}

func notInFiles(service string) error {
	return fmt.Errorf("%w: %q is not in the files", discovery.ErrUnknownService, service)
}

func (r *Resolver) read() (state, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now, r.changed
}

// publish replaces the state; nil services keep those there are.
func (r *Resolver) publish(services map[string][]discovery.Endpoint, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if services == nil {
		services = r.now.services
	}
	r.now = state{services, err}
	close(r.changed)
	r.changed = make(chan struct{})
}

// watch is one range over Watch, and what it has yielded last.
type watch struct {
	service string
	yield   func([]discovery.Endpoint, error) bool
	set     []discovery.Endpoint // nil before the first
	unknown bool
	err     error
}

// tell yields what is new in s, and reports whether more is wanted.
func (w *watch) tell(ctx context.Context, s state) bool {
	news := s.err != nil && (w.err == nil || s.err.Error() != w.err.Error())
	over := s.err == nil && w.err != nil
	w.err = s.err
	if news && (!w.yield(nil, s.err) || ctx.Err() != nil) {
		return false
	}
	eps, known := s.services[w.service]
	if !known && !w.unknown {
		w.unknown = true
		if !w.yield(nil, notInFiles(w.service)) || ctx.Err() != nil {
			return false
		}
	}
	w.unknown = !known
	if w.set != nil && !over && discovery.EqualSets(w.set, eps) {
		return true
	}
	if eps == nil {
		eps = []discovery.Endpoint{}
	}
	w.set = eps
	return w.yield(eps, nil)
}
