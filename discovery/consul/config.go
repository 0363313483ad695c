// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// Config has the knobs of a Registry. The zero value asks the agent on this host,
// or the one that Consul's own environment variables name (CONSUL_HTTP_ADDR,
// CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT and so on).
type Config struct {
	// Address of the agent: host:port, http://host:port/prefix, https://host:port or
	// unix:///path. "" is CONSUL_HTTP_ADDR, else 127.0.0.1:8500.
	Address string
	// Token is the ACL token. TokenFile holds one instead, and is read again for
	// every request, so that a rotated token counts at once; while it cannot be
	// read or is empty, the last token read stays. Both "" is the environment's.
	Token, TokenFile string
	// TLS is for https; nil is what the environment says. Given together with an
	// address without a scheme it means https.
	TLS *tls.Config
	// Dial opens connections to the agent. nil is TCP, or the unix socket of
	// Address, with keep-alive.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Datacenters are watched at once; their order is the preference, and becomes the
	// priority of their endpoints: 0 for the first. None is the agent's own.
	Datacenters []string
	// Namespace and Partition are passed on; both are features of Consul Enterprise.
	Namespace, Partition string
	// Name turns the name of a service that is asked for, or announced, into
	// Consul's. nil leaves it as it is.
	Name func(service string) string
	// Tags an instance must all have.
	Tags []string
	// TaggedAddress chooses among tagged addresses, such as "wan", of the service or
	// else of its node. Instances without it are used at their plain address.
	TaggedAddress string
	// PassingOnly leaves out instances with a warning too. Without it they count with
	// their weight for warnings.
	PassingOnly bool
	// NoPanic yields the empty set when instances are registered but all are
	// critical. Without it all of those are yielded then: a registry that calls
	// everybody dead is wrong more often than right, and a dead host costs a call as
	// much as no host does.
	NoPanic bool
	// Unhealthy yields the instances that are left out so, too, marked as Unhealthy and
	// Draining: not to be called, but to be counted by who moves load away from a place as far
	// as it is not well. Those that drain, or are in maintenance, are not marked.
	Unhealthy bool
	// Consistent asks the leader. Without it any server may answer, which holds
	// through an election and lags by some 50 ms.
	Consistent bool

	// Streaming lets the agent answer from its streaming backend, where it has one. That
	// spares the servers where thousands of watches wait, but a watch then does not see how
	// far the agent lags, and sees a restored snapshot only after Wait.
	Streaming bool

	// Wait is how long a query may block at the agent. 0 means 60 s; at most 10 min.
	Wait time.Duration
	// Timeout bounds a query that does not block. 0 means 10 s.
	Timeout time.Duration
	// Pace bounds how often one service in one datacenter is asked for.
	Pace Pace
	// Backoff is the wait after a failure, with full jitter.
	Backoff Backoff
	// MaxBody is how many bytes of an answer are read, after decompression; a longer
	// one is an error. 0 means 16 MiB.
	MaxBody int64
	// MaxWatches is how many queries may block at the agent at once. With more
	// watches than that, they take turns of 5 s. 0 means 128: an agent takes 200
	// connections from one host unless told otherwise.
	MaxWatches int

	// Check is the health check of what is announced here.
	Check Check
	// Withdraw bounds the deregistration once a registration's context has ended.
	// 0 means 5 s.
	Withdraw time.Duration

	// OnEvent hears what happens. It is called one event at a time for a watch or a
	// registration, and must not block. nil hears nothing.
	OnEvent func(Event)
}

// Pace is a token bucket. It is spent by answers that brought nothing new: Consul's
// index moves with changes elsewhere, and does not block for services it has never
// heard of. Answers with a change may come every 500 ms after a burst of 5.
type Pace struct {
	Burst int           // 0 means 2
	Every time.Duration // 0 means 5 s
	// Poll is for a registry whose index is of no use (zero, missing, no number), or goes
	// backwards.
	Poll time.Duration // 0 means 1.5 s
}

// Backoff is exponential with full jitter: the wait is uniform between 0 and Base
// doubled with each failure, at most Cap.
type Backoff struct {
	Base time.Duration // 0 means 100 ms
	Cap  time.Duration // 0 means 10 s
}

// complete fills in defaults and refuses what makes no sense.
func (c *Config) complete() error {
	set(&c.Wait, 60*time.Second)
	set(&c.Timeout, 10*time.Second)
	set(&c.Pace.Every, 5*time.Second)
	set(&c.Pace.Poll, 1500*time.Millisecond)
	set(&c.Pace.Burst, 2)
	set(&c.Backoff.Base, 100*time.Millisecond)
	set(&c.Backoff.Cap, 10*time.Second)
	set(&c.MaxBody, 16<<20)
	set(&c.MaxWatches, 128)
	set(&c.Withdraw, 5*time.Second)
	return errors.Join(c.validate(), c.Check.complete())
}

func (c *Config) validate() error {
	for name, d := range map[string]time.Duration{
		"Wait": c.Wait, "Timeout": c.Timeout, "Pace.Every": c.Pace.Every, "Pace.Poll": c.Pace.Poll,
		"Backoff.Base": c.Backoff.Base, "Backoff.Cap": c.Backoff.Cap, "Withdraw": c.Withdraw,
	} {
		if d < 0 {
			return fmt.Errorf("consul: %s is %v; it may not be negative", name, d)
		}
	}
	switch {
	case c.Wait > 10*time.Minute:
		return fmt.Errorf("consul: Wait is %v; Consul blocks for at most 10m", c.Wait)
	case c.Pace.Burst < 0 || c.MaxBody < 0 || c.MaxWatches < 0:
		return fmt.Errorf("consul: Pace.Burst is %d, MaxBody %d and MaxWatches %d; none may be negative",
			c.Pace.Burst, c.MaxBody, c.MaxWatches)
	case c.Token != "" && c.TokenFile != "":
		return errors.New("consul: Token and TokenFile are both set; keep one")
	case slices.Contains(c.Datacenters, "") && len(c.Datacenters) > 1:
		return errors.New("consul: a name in Datacenters is empty")
	case slices.Contains(c.Tags, ""):
		return errors.New("consul: a tag in Tags is empty")
	}
	return nil
}

// name is Consul's name of a service.
func (c *Config) name(service string) string {
	if c.Name != nil {
		return c.Name(service)
	}
	return service
}

// event tells OnEvent.
func (c *Config) event(e Event) {
	if c.OnEvent != nil {
		c.OnEvent(e)
	}
}

// set gives v a default.
func set[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}
