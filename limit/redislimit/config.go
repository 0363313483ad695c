// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// The defaults of [Config].
const (
	DefaultLease   = 100 * time.Millisecond
	DefaultTimeout = 20 * time.Millisecond
	DefaultMaxKeys = 100_000
)

// Bounds of [Config]: beyond them a field is a mistake, or the script's arithmetic, which
// is in doubles of microseconds, is no longer exact.
const (
	maxRate      = 1e6
	maxFill      = 31 * 24 * time.Hour
	maxLease     = 10 * time.Second
	minTimeout   = time.Millisecond
	maxTimeout   = time.Second
	maxInstances = 10_000
	maxMaxKeys   = 10_000_000
)

// unknownInstances is how many share a limit as long as Redis has never said.
const unknownInstances = 10

// Config is one limit of a fleet. It is comparable. Every instance gives the same one; where
// they differ, as during a rollout, each call is judged by its own instance's.
type Config struct {
	// Name says which limit this is: all quotas of one name on one Redis are one limit.
	// It must be set, and printable ASCII without quotes and backslashes.
	Name string
	// Rate is how many calls a second may go in the long run, in the whole fleet and for
	// each key. It is refused unless above 0 and at most a million.
	Rate float64
	// Burst is how many may go at once after a pause. 0 is a second's worth, at least 1.
	// It is refused when negative, and when it takes more than 31 days to come back.
	Burst int
	// Lease is how long the permits that are taken ahead are meant to last. It sizes them,
	// by the calls that come in, to at most what the whole fleet is allowed in that time and
	// half of Burst. What is not used within twice that time is lost to everybody. 0 is 100 ms.
	// Negative takes none ahead: every admitted call then asks Redis. Above 10 s is refused.
	Lease time.Duration
	// Timeout is how long a call waits for Redis at most; then it is decided locally. 0 is
	// 20 ms; below 1 ms and above 1 s is refused.
	Timeout time.Duration
	// Instances is how many instances share the limit while Redis cannot be asked: each
	// then admits Rate and Burst divided by it. 0 learns it, by a heartbeat a second that
	// each instance writes to Redis; one that has never reached Redis takes it for 10.
	// Negative and above 10,000 is refused.
	Instances int
	// MaxKeys is how many keys an instance keeps in memory, at some 300 bytes each. Beyond
	// it, keys that nothing is known about share one limit. 0 is 100,000; negative and above
	// 10 million is refused.
	MaxKeys int
	// Status is the HTTP status of a refusal. 0 is 429; else it is within 400 to 599.
	Status int
	// Headers says whether a server's refusals carry RateLimit headers, under Name. The zero
	// value is limit.OnRefusal; limit.Always is refused: nobody knows at each call what is
	// left in the fleet.
	Headers limit.Headers
	// Envoy adds the headers X-RateLimit-Limit, -Remaining and -Reset to them.
	Envoy bool
	// Shadow: nothing is refused, no call waits for Redis, and no header is written. Permits
	// are taken all the same; what has to ask Redis asks beside the call.
	Shadow bool
	// Recorder is told of every call that is decided without Redis, and in shadow of those
	// that would have been refused, by the name "limit", of a copy of the call that says where
	// it goes. It may be nil.
	Recorder enmesh.Recorder
}

func (cfg Config) withDefaults() (Config, error) {
	if err := cfg.check(); err != nil {
		return cfg, err
	}
	if cfg.Burst == 0 {
		cfg.Burst = max(1, int(math.Ceil(cfg.Rate)))
	}
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = DefaultMaxKeys
	}
	return cfg, nil
}

func (cfg Config) check() error {
	switch {
	case cfg.Name == "":
		return errors.New("redislimit: Name is not set")
	case !(cfg.Rate > 0 && cfg.Rate <= maxRate): // also what is not a number
		return fmt.Errorf("redislimit: Rate %v is not above 0 and at most 1e6", cfg.Rate)
	case cfg.Burst < 0:
		return fmt.Errorf("redislimit: Burst %d is negative", cfg.Burst)
	case float64(max(cfg.Burst, 1))/cfg.Rate > maxFill.Seconds():
		return fmt.Errorf("redislimit: Burst %d takes more than %v to come back at Rate %v", cfg.Burst, maxFill, cfg.Rate)
	case cfg.Lease > maxLease:
		return fmt.Errorf("redislimit: Lease %v is above %v", cfg.Lease, maxLease)
	case cfg.Timeout != 0 && (cfg.Timeout < minTimeout || cfg.Timeout > maxTimeout):
		return fmt.Errorf("redislimit: Timeout %v is not within %v to %v", cfg.Timeout, minTimeout, maxTimeout)
	case cfg.Instances < 0 || cfg.Instances > maxInstances:
		return fmt.Errorf("redislimit: Instances %d is not within 0 to %d", cfg.Instances, maxInstances)
	case cfg.MaxKeys < 0 || cfg.MaxKeys > maxMaxKeys:
		return fmt.Errorf("redislimit: MaxKeys %d is not within 0 to %d", cfg.MaxKeys, maxMaxKeys)
	}
	return nil
}

// refuser says no in the limit's name.
func (cfg Config) refuser() (*limit.Refuser, error) {
	r, err := limit.NewRefuser("redislimit", limit.Terms{
		Status: cfg.Status, Name: cfg.Name, Headers: cfg.Headers, Envoy: cfg.Envoy,
	}, cfg.Burst, cfg.fill())
	if err != nil {
		return nil, fmt.Errorf("redislimit: %w", err)
	}
	return r, nil
}

// fill is the time in which an empty bucket fills.
func (cfg Config) fill() time.Duration {
	return time.Duration(float64(cfg.Burst) / cfg.Rate * float64(time.Second))
}

// most is how many permits are taken ahead at once.
func (cfg Config) most() int {
	if cfg.Lease < 0 {
		return 1
	}
	return max(1, int(min(cfg.Rate*cfg.Lease.Seconds(), float64(cfg.Burst)/2)))
}

// hold is how long, after Redis gave less than was asked for, nobody asks again: at least
// until there is one permit, and so long that asking does not cost more than it gives, but
// never so long that the bucket fills and runs over meanwhile.
func (cfg Config) hold(wait time.Duration) time.Duration {
	return max(wait, min(cfg.Lease/10, cfg.fill()/2))
}
