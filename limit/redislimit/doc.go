// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package redislimit is a rate limit that all instances of a fleet share, through Redis:
// one server, a master under Sentinel, or a cluster.
//
// A limit of one process lets a fleet of n through n times. This one counts in Redis, and
// yet asks it seldom, waits for it briefly, and does without it when it is gone:
//
//	client, err := redislimit.Connect(redislimit.Servers{Addrs: []string{"redis:6379"}})
//	if err != nil {
//		return err
//	}
//	quota, err := redislimit.New(client, redislimit.Config{Name: "reviews", Rate: 1000, Burst: 200},
//		func(c *enmesh.Call) string { return c.Header.Get("x-tenant") })
//	if err != nil {
//		return err
//	}
//	defer quota.Close()
//	router := enmesh.Fixed(false, quota.Middleware())
//
// Every tenant may then make 1000 calls a second in the whole fleet. A refusal is
// limit.ErrLimited: it reads as 429 or RESOURCE_EXHAUSTED, says when to come back, and on a
// server carries RateLimit headers.
//
// # How it counts
//
// The algorithm is the generic cell rate algorithm (ITU-T I.371): of each key Redis keeps
// one number, the time at which its bucket is full again, by Redis's own clock, so that the
// instances' clocks do not matter. One script reads and writes it and sets when it expires;
// there is no moment at which a key could be left behind. Keys are SHA-256 hashes, of one
// size, whatever a caller puts into them. Redis 5 or later is needed.
//
// # Leases
//
// An instance takes permits ahead: as many as its calls have lately wanted in the time of
// [Config].Lease, 100 ms, and asks for the next ones in the background when half of them
// are gone. A key that is seldom used, and one whose Burst is small, is asked for at each
// call. When Redis gives less than was asked for, the instance asks again after a tenth
// of that time and refuses until then. Permits are charged when they are taken, so that no
// more are ever admitted than the limit says; those that are not used in time are lost,
// which an instance that stops wanting them notices as little more than nothing: they are
// at most what the fleet is allowed in the time of a lease, and half of Burst.
//
// # Without Redis
//
// A call waits at most [Config].Timeout, 20 ms, for Redis. After an ask that failed no call
// with that key waits for the next one; after three in a row nobody asks any more, until a
// probe in the background has succeeded; in a cluster that holds for the part whose master
// is gone. Calls are then decided by the
// instance's share: Rate and Burst divided by [Config].Instances, or, where that is 0, by the
// number of instances that last wrote a heartbeat to Redis. The share goes on from what
// Redis last said was left, and when Redis returns it is told what was admitted meanwhile:
// that brings no second burst. One comes when Redis goes, at most, if instances have not
// heard that others had just emptied the bucket; and one when Redis loses its data.
//
// The number of instances rises at once and falls after ten heartbeats, ten seconds. It
// cannot be learned while Redis is gone: a fleet that grows meanwhile admits more. Set
// Instances where that matters.
//
// A key in which Redis holds something else is decided by the share, too, and asked for
// again after a second. [Quota.Stats] and the [Config].Recorder tell of all of it.
//
// # Limits
//
// A quota counts attempts where it stands inside a retry, calls where it stands outside.
// RetryAfter is rounded up to two digits of milliseconds, so that there are few refusals
// and each is made once. go-redis logs every connection that fails: silence it with its own SetLogger.
package redislimit
