// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/enmesh-go/enmesh"
)

// NewWithClock is New on another clock.
func NewWithClock(client redis.UniversalClient, cfg Config, now func() enmesh.Instant) (*Quota, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	refuser, err := cfg.refuser()
	if err != nil {
		return nil, err
	}
	return start(client, cfg, refuser, func(*enmesh.Call) string { return "" }, now), nil
}

// RedisKey is the key in Redis of one of the quota's keys.
func (q *Quota) RedisKey(key string) string { return sumOf(q.cfg.Name, key).redisKey() }

// SlotOf is the cluster's hash slot that the quota takes the key for.
func (q *Quota) SlotOf(key string) int { return sumOf(q.cfg.Name, key).slot() }

// Script is the source of take, whose first line that reads the clock is ReadsClock.
var Script, ReadsClock = takeSource, "local time = redis.call('TIME')"

// ConnectBy is Connect to one server by a dialer of the test's own.
func ConnectBy(dial func(context.Context, string, string) (net.Conn, error)) redis.UniversalClient {
	opts := Servers{Addrs: []string{"redis:6379"}}.options()
	opts.Dialer = dial
	return redis.NewUniversalClient(opts)
}

// TripAfter is how many asks in a row must fail for nobody to ask any more.
const TripAfter = tripAfter
