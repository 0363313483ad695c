// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The rhythm of what runs in the background.
const (
	beat      = 200 * time.Millisecond // between two probes of an open group
	beats     = 5                      // from one heartbeat to the next
	memberFor = 3 * time.Second        // an instance counts so long after its last heartbeat
	falls     = 10                     // heartbeats that must say so before the number goes down
	idleFor   = 10 * time.Second       // after its last call a key may be forgotten
)

// member notes that an instance is there and counts all that are, by the server's clock.
var member = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stays = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - stays))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil(stays / 1000))
return redis.call('ZCARD', KEYS[1])
`)

// run is the quota's background: probes, heartbeats, sweeps.
func (q *Quota) run() {
	m := members{id: rand.Text()}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for n := 0; ; n++ {
		if n%beats == 0 {
			q.heartbeat(&m)
			now := q.now()
			q.table.sweep(now, now.Add(-idleFor), q.share())
		}
		q.probe()
		select {
		case <-q.ctx.Done():
			q.leave(&m)
			return
		case <-ticker.C:
		}
	}
}

// members is the number of instances as heartbeats tell it. It rises at once and falls
// slowly: a Redis that has just lost its data knows of few.
type members struct {
	id    string
	known int
	lower int // heartbeats in a row that counted less than known
	most  int // that these counted
}

// counted takes a number, and returns the one to go by.
func (m *members) counted(n int) int {
	n = min(max(n, 1), maxInstances)
	if n >= m.known {
		m.known, m.lower, m.most = n, 0, 0
		return m.known
	}
	m.lower++
	m.most = max(m.most, n)
	if m.lower >= falls {
		m.known, m.lower, m.most = m.most, 0, 0
	}
	return m.known
}

func (q *Quota) heartbeat(m *members) {
	if q.cfg.Instances > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(q.ctx, beat)
	defer cancel()
	n, err := member.Run(ctx, q.client, []string{membersKey(q.cfg.Name)}, m.id, memberFor.Microseconds()).Int()
	if err == nil {
		q.instances.Store(int64(m.counted(n)))
	}
}

// leave takes the instance out of the count, if that is quickly done.
func (q *Quota) leave(m *members) {
	if q.cfg.Instances > 0 || m.known == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.cfg.Timeout)
	defer cancel()
	_ = q.client.ZRem(ctx, membersKey(q.cfg.Name), m.id).Err() // else it is counted a little longer
}

// probe asks, for every open group, for nothing: the same script, which writes, on a key
// that could not be asked for.
func (q *Quota) probe() {
	var probes sync.WaitGroup
	for i := range q.groups {
		if g := &q.groups[i]; g.open.Load() {
			probes.Go(func() { q.probeGroup(g) })
		}
	}
	probes.Wait()
}

func (q *Quota) probeGroup(g *group) {
	ctx, cancel := context.WithTimeout(q.ctx, beat)
	defer cancel()
	began := q.now()
	_, err := q.ask(ctx, *g.probe.Load(), 0, 0)
	if err != nil && !errors.Is(err, errAlien) || q.now().Sub(began) > q.cfg.Timeout {
		return
	}
	if q.repay(g) { // while calls do without it still
		g.recovered()
	}
}
