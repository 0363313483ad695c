// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Defaults of [Config] and [Limits].
const (
	DefaultDebounce     = 10 * time.Millisecond
	DefaultMaxDelay     = 100 * time.Millisecond
	DefaultSettle       = 5 * time.Second
	DefaultResume       = 10 * time.Minute
	DefaultSlow         = 45 * time.Second
	DefaultLoadInterval = 10 * time.Second

	DefaultRequestBytes  = 2 << 20
	DefaultNames         = 10_000
	DefaultNameBytes     = 1 << 10
	DefaultNodeBytes     = 64 << 10
	DefaultNodeID        = 1 << 10
	DefaultResponseBytes = 1 << 20
)

// Config is a [Server]'s settings. Durations of 0 mean the default; negative ones
// are refused.
type Config struct {
	// Catalog knows the resources. Required.
	Catalog Catalog
	// Debounce is how long a change waits for a further one; each further one
	// prolongs the wait, up to MaxDelay after the first. Changes of one kind to one
	// client are 50 µs apart besides for each name that it asks for, up to MaxDelay.
	// What a client asks for anew is sent at once, and so is a change of endpoints if
	// it was sent none for MaxDelay. Defaults 10 ms and 100 ms.
	Debounce, MaxDelay time.Duration
	// Settle is how long the first response of listeners and clusters on a stream
	// waits for resources that the catalog does not know yet, because what is
	// missing in it is deleted by a client that had it before. Default 5 s.
	Settle time.Duration
	// Resume is Settle for a client that comes back, which its first request says by the
	// version that it has: it has something to lose. Default 10 min; less than Settle is
	// Settle.
	Resume time.Duration
	// Slow is how long a client may leave a response unread or unanswered while
	// there is more to say; then its connection is cut. Default 45 s.
	Slow time.Duration
	// Allow says whether a node may be told of a resource: an error refuses, and is
	// logged. Nil allows all. The status of all clients (CSDS) is told to our own user and
	// root over a unix socket, and without Allow to whoever asks on loopback by a loopback
	// name, but not over TLS.
	Allow func(n *Node, k Kind, name string) error
	// Refuse is what a client is told in the place of a resource that Allow refused.
	// Nil, or a Resource without a Body: that there is none.
	Refuse func(n *Node, k Kind, name string, why error) Resource
	// Loads takes the clients' load reports (LRS). Nil: they are not offered.
	Loads Loads
	// LoadInterval is how often clients report load. Default 10 s.
	LoadInterval time.Duration
	// Limits bound what a client may send.
	Limits Limits
	// Log takes refusals, rejections and cuts. Default slog.Default().
	Log *slog.Logger

	counts *counts
}

// Limits bound what a client may send and what is sent at once. 0 means the
// default; negative values are refused. A stream that goes beyond one is ended.
type Limits struct {
	RequestBytes  int // of one request; default 2 MiB
	Names         int // of one kind on one stream; default 10,000
	NameBytes     int // of one name, and of a cluster in a load report; default 1 KiB
	NodeBytes     int // of the node with its metadata; default 64 KiB
	NodeID        int // bytes of the node id, cluster, namespace and service account, each; default 1 KiB
	ResponseBytes int // of one response, where a kind may be split: routes and endpoints; default 1 MiB
}

// withDefaults fills zero fields and refuses bad ones.
func (c Config) withDefaults() (Config, error) {
	if c.Catalog == nil {
		return c, errors.New("xds: Config.Catalog is nil")
	}
	for _, d := range []struct {
		name string
		p    *time.Duration
		def  time.Duration
	}{
		{"Debounce", &c.Debounce, DefaultDebounce},
		{"MaxDelay", &c.MaxDelay, DefaultMaxDelay},
		{"Settle", &c.Settle, DefaultSettle},
		{"Resume", &c.Resume, DefaultResume},
		{"Slow", &c.Slow, DefaultSlow},
		{"LoadInterval", &c.LoadInterval, DefaultLoadInterval},
	} {
		if *d.p < 0 {
			return c, fmt.Errorf("xds: Config.%s is %v, it must not be negative", d.name, *d.p)
		}
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	c.MaxDelay, c.Resume = max(c.MaxDelay, c.Debounce), max(c.Resume, c.Settle)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.counts = new(counts)
	var err error
	c.Limits, err = c.Limits.withDefaults()
	return c, err
}

func (l Limits) withDefaults() (Limits, error) {
	for _, d := range []struct {
		name string
		p    *int
		def  int
	}{
		{"RequestBytes", &l.RequestBytes, DefaultRequestBytes},
		{"Names", &l.Names, DefaultNames},
		{"NameBytes", &l.NameBytes, DefaultNameBytes},
		{"NodeBytes", &l.NodeBytes, DefaultNodeBytes},
		{"NodeID", &l.NodeID, DefaultNodeID},
		{"ResponseBytes", &l.ResponseBytes, DefaultResponseBytes},
	} {
		if *d.p < 0 {
			return l, fmt.Errorf("xds: Limits.%s is %d, it must not be negative", d.name, *d.p)
		}
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	return l, nil
}
