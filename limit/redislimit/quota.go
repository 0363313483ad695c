// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// Quota is a limit that the instances of a fleet share. It is a gate, safe for concurrent
// use. What is decided by permits taken ahead, or by a refusal that still holds, touches
// no network and does not allocate. Close it when it is no longer used.
type Quota struct {
	cfg     Config
	client  redis.UniversalClient
	key     func(*enmesh.Call) string
	refuser *limit.Refuser
	now     func() enmesh.Instant

	groups    []group // one, or for a cluster one for a part of the slots each
	table     table
	rest      *entry // of the keys that the table has no place for
	instances atomic.Int64

	asked, failed, aliens atomic.Uint64

	ctx    context.Context //nolint:containedctx // of the goroutines that Close ends
	cancel context.CancelFunc
	slots  chan struct{} // an ask in flight holds one
	mu     sync.Mutex    // guards closed, and that none is added to running after it
	closed bool
	work   sync.WaitGroup
}

// maxFlights is how many asks are under way at once, so that a Redis that hangs holds few
// goroutines, whatever the client's own timeouts are.
const maxFlights = 256

var errNoClient = errors.New("redislimit: there is no client")

// New makes a quota on the Redis of the client: one server, a master under Sentinel or
// a cluster (see [Connect]). The client stays the caller's, who closes it after the quota.
// key says what is limited, each value by itself; nil is one limit for all calls. It
// refuses a Config that makes no sense. It does not wait for Redis.
func New(client redis.UniversalClient, cfg Config, key func(*enmesh.Call) string) (*Quota, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if client == nil {
		return nil, errNoClient
	}
	if key == nil {
		key = func(*enmesh.Call) string { return "" }
	}
	refuser, err := cfg.refuser()
	if err != nil {
		return nil, err
	}
	return start(client, cfg, refuser, key, enmesh.Now), nil
}

func start(client redis.UniversalClient, cfg Config, refuser *limit.Refuser, key func(*enmesh.Call) string, now func() enmesh.Instant) *Quota {
	q := &Quota{cfg: cfg, client: client, refuser: refuser, key: key, now: now, slots: make(chan struct{}, maxFlights)}
	n := 1
	if _, single := client.(*redis.Client); !single {
		n = groups
	}
	q.groups = make([]group, n)
	q.table.init(cfg.MaxKeys)
	q.rest = q.entry("the rest\x00", &q.table.slots[0])
	q.instances.Store(unknownInstances)
	if cfg.Instances > 0 {
		q.instances.Store(int64(cfg.Instances))
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.work.Go(q.run)
	return q
}

// Close ends what the quota does in the background, and waits for it. Calls that come
// later are decided by the local share.
func (q *Quota) Close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cancel()
	q.work.Wait()
	return nil
}

// entry makes the entry of a key.
func (q *Quota) entry(key string, s *slot) *entry {
	e := &entry{sum: sumOf(q.cfg.Name, key), slot: s}
	e.group = &q.groups[0]
	if n := len(q.groups); n > 1 {
		e.group = &q.groups[e.sum.slot()*n/16384]
	}
	return e
}

// Admit takes a permit for the call, by the reading of the clock that it carries, or
// refuses with what [limit.ErrLimited] is found in. It waits for Redis where it must, at
// most Timeout, and reads the clock anew then.
//
// [limit.ErrLimited]: https://pkg.go.dev/github.com/enmesh-go/enmesh/limit#ErrLimited
func (q *Quota) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, q.admit(ctx, c)
}

// Done does nothing: a permit that was taken stays taken.
func (q *Quota) Done(enmesh.Token, enmesh.Result) {}

// Middleware is the quota for a route's chain. Other than enmesh.Guard(q) it waits for
// no end, of which the quota would make nothing.
func (q *Quota) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := q.admit(ctx, c); err != nil {
				return err
			}
			return next(ctx, c)
		}
	}
}

func (q *Quota) admit(ctx context.Context, c *enmesh.Call) error {
	key := q.key(c)
	if q.cfg.Shadow {
		q.rehearse(key, c)
		return nil
	}
	return q.decide(ctx, c, key)
}

func (q *Quota) decide(ctx context.Context, c *enmesh.Call, key string) error {
	e, v, wait := q.look(c, key)
	if v == unknown {
		return q.settle(ctx, c, e)
	}
	return q.count(c, e.slot, v, wait)
}

// look is the entry of a key and what it says to a call; where that is unknown, with the
// entry's lock held.
func (q *Quota) look(c *enmesh.Call, key string) (e *entry, v verdict, wait time.Duration) {
	for {
		e = q.find(key, c.Clock)
		e.mu.Lock()
		if e.gone {
			e.mu.Unlock()
			continue
		}
		if v, wait = e.take(c.Clock); v == unknown {
			return e, v, wait
		}
		if e.low(c.Clock) && !e.group.open.Load() {
			q.refill(e, c.Clock, 0)
		}
		e.mu.Unlock()
		return e, v, wait
	}
}

// share is this instance's part of the limit while Redis cannot be asked.
func (q *Quota) share() share { return q.cfg.share(int(q.instances.Load())) }

// count counts a verdict and makes an error of it.
func (q *Quota) count(c *enmesh.Call, s *slot, v verdict, wait time.Duration) error {
	if v == admitted {
		s.admitted.Add(1)
		return nil
	}
	s.refused.Add(1)
	return q.refuser.Refuse(c, max(wait, 0))
}

// Stats is what a quota has done so far.
type Stats struct {
	Admitted uint64 // calls
	Refused  uint64 // calls
	Local    uint64 // calls that were decided by the local share, of both kinds
	Asked    uint64 // round trips to Redis for permits
	Failed   uint64 // round trips that failed or came too late
	Alien    uint64 // round trips that found something else in the key
	Keys     int    // that are in memory
	// Instances is how many share the limit, as far as is known.
	Instances int
	// Open is the part of Redis, 0 to 1, that is not asked since it did not answer.
	Open float64
}

// Stats counts.
func (q *Quota) Stats() Stats {
	s := Stats{
		Asked: q.asked.Load(), Failed: q.failed.Load(), Alien: q.aliens.Load(),
		Keys: q.table.len(), Instances: int(q.instances.Load()),
	}
	for i := range q.table.slots {
		p := &q.table.slots[i]
		s.Admitted += p.admitted.Load()
		s.Refused += p.refused.Load()
		s.Local += p.local.Load()
	}
	for i := range q.groups {
		if q.groups[i].open.Load() {
			s.Open += 1 / float64(len(q.groups))
		}
	}
	return s
}
