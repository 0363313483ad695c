// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// ErrClosed is news from a Cache that was closed before the watch began.
var ErrClosed = errors.New("discovery: the cache is closed")

// CacheConfig has the knobs of a Cache. The zero value is good.
type CacheConfig struct {
	// Guard is when a sudden loss of endpoints is believed.
	Guard Guard
	// Debounce is the least time between two sets that readers see: the first change
	// after a quiet time is seen at once, and of those that follow the latest. 0 means
	// 250 ms, negative means none.
	Debounce time.Duration
	// Linger is how long the registry is watched after the last reader has gone. 0
	// means 30 s, negative means not at all.
	Linger time.Duration
	// Dir is where sets are kept on disk, a file a service, for a process that starts
	// while the registry is down. It is made, with its parents, when it is missing. ""
	// keeps nothing. Processes that ask one registry for the same names may share it.
	Dir string
	// Wait is how long a process that starts waits for the registry before it serves
	// what is on disk; a registry that fails sooner is not waited for. 0 means 100 ms.
	Wait time.Duration
	// MaxAge is how old a file on disk may be. 0 means 24 h, negative means any age.
	MaxAge time.Duration
	// Report hears of files that cannot be read or written, of each kind at most once in
	// 10 s. The Cache goes on without them. It is called on goroutines of the Cache and
	// must not block. nil: nobody hears; [Cache.Status] tells all the same.
	Report func(error)
}

func (c *CacheConfig) complete() error {
	for _, d := range []struct {
		at   *time.Duration
		zero time.Duration
	}{{&c.Debounce, 250 * time.Millisecond}, {&c.Linger, 30 * time.Second}, {&c.Wait, 100 * time.Millisecond}, {&c.MaxAge, 24 * time.Hour}} {
		if *d.at == 0 {
			*d.at = d.zero
		}
	}
	if c.Wait < 0 {
		return fmt.Errorf("discovery: cache: Wait is %v; it may not be negative", c.Wait)
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	return c.Guard.complete()
}

// Cache is a Resolver over another one that an outage of the registry does not hurt.
// It watches each service once, however many readers there are; it keeps the last good
// set as long as the registry fails, without expiry; it doubts a sudden loss (see
// [Guard]); it passes on at most one set per Debounce, and no set twice; and it keeps
// sets on disk for the next start. A watch that the resolver ends before its time is
// begun again.
//
// Errors are news to readers at most once in 10 s for each service, except that a
// service found to be unknown is told at once. After an error a set follows, even if
// it is the same, when the registry is back.
//
// It is safe for concurrent use. Close ends it.
type Cache struct {
	upstream Resolver
	cfg      CacheConfig
	disk     *disk         // nil without Dir
	asking   chan struct{} // bounds questions to the registry that run at once

	ctx    context.Context //nolint:containedctx // of the watches, ended by Close
	cancel context.CancelFunc
	wait   sync.WaitGroup // of followers

	mu        sync.Mutex // guards followers, what they say of readers, and closed
	followers map[string]*follower
	closed    bool
}

// NewCache makes a Cache over r. It fails on a configuration that makes no sense, not
// on a directory that cannot be used. Its goroutines end with Close.
func NewCache(r Resolver, cfg CacheConfig) (*Cache, error) {
	if r == nil {
		return nil, errors.New("discovery: a cache needs a resolver")
	}
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	const questions = 16
	c := &Cache{upstream: r, cfg: cfg, asking: make(chan struct{}, questions), followers: map[string]*follower{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if cfg.Dir != "" {
		c.disk = openDisk(cfg.Dir, cfg.MaxAge, cfg.Report)
	}
	return c, nil
}

// Watch implements [Resolver]. It never waits for the registry longer than its reader
// does, and a reader that is slow sees the latest.
func (c *Cache) Watch(ctx context.Context, service string) iter.Seq2[[]Endpoint, error] {
	return c.watch(ctx, service, (*view).newSet)
}

func (c *Cache) watch(ctx context.Context, service string, fresh news) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		if ctx.Err() != nil {
			return
		}
		f := c.join(service)
		if f == nil {
			if yield(nil, ErrClosed) {
				<-ctx.Done()
			}
			return
		}
		defer c.leave(f)
		f.serve(ctx, fresh, yield)
	}
}

// join finds or makes the follower of a service and counts a reader; nil when closed.
func (c *Cache) join(service string) *follower {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	f := c.followers[service]
	if f == nil {
		f = newFollower(c, service)
		c.followers[service] = f
		ctx, cancel := context.WithCancel(c.ctx)
		f.cancel = cancel
		c.wait.Go(func() { f.run(ctx) })
	}
	f.readers++
	if f.linger != nil {
		f.linger.Stop()
		f.linger = nil
	}
	return f
}

// leave counts a reader off; the last one's follower ends after a while.
func (c *Cache) leave(f *follower) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.readers--
	switch {
	case f.readers > 0 || c.closed:
	case c.cfg.Linger < 0:
		c.drop(f)
	default:
		f.linger = time.AfterFunc(c.cfg.Linger, func() { c.expire(f) })
	}
}

// expire ends a follower that nobody has come back to.
func (c *Cache) expire(f *follower) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.readers == 0 && !c.closed {
		c.drop(f)
	}
}

// drop ends a follower. c.mu is held.
func (c *Cache) drop(f *follower) {
	if c.followers[f.name] == f {
		delete(c.followers, f.name)
	}
	f.cancel()
}

// Close ends the watches of the registry, writes to disk what is not there yet, and
// waits for both. Readers keep what they have until their own context ends. It may be
// called more than once; the error is that of the last writing, if it failed.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, f := range c.followers {
		if f.linger != nil {
			f.linger.Stop()
		}
	}
	c.mu.Unlock()
	c.cancel()
	c.wait.Wait()
	if c.disk == nil {
		return nil
	}
	return c.disk.close()
}
