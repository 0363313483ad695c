// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"strconv"
	"time"
)

// Destination is where a call goes: a service, a port of it and a labelled part of
// it. It is comparable and keys clusters.
type Destination struct {
	Service string // what the caller dialled, or the key that a Router made of it (see Naming)
	Port    uint16 // service port; 0: its only one, else the one that speaks the call's protocol
	Subset  string // labelled part; "" is all
}

// String is "service:port/subset", less what is not set.
func (d Destination) String() string {
	s := d.Service
	if d.Port != 0 {
		s += ":" + strconv.Itoa(int(d.Port))
	}
	if d.Subset != "" {
		s += "/" + d.Subset
	}
	return s
}

// A Route is a destination with its chain built in. It is never written again.
type Route struct {
	Name           string
	Destination                  // an empty Service keeps the call's destination, an unset Port the call's port
	Resends        bool          // retry or hedge inside: the adapter keeps what a replay needs
	Idempotent     bool          // its calls may be sent again whatever their method
	AttemptTimeout time.Duration // of one attempt; 0: none (see [Call.EndOf])
	RemoteAfter    int           // attempts that are made before others go further away; 0: as balancing has it
	Next           Next          // ends in [Send]
}

// A Router chooses the route of a call, a "no route" one included: never nil. It
// does not block; implementations load one atomic pointer.
type Router interface{ Route(c *Call) *Route }

// RouterFunc is a function as a Router.
type RouterFunc func(c *Call) *Route

// Route calls f.
func (f RouterFunc) Route(c *Call) *Route { return f(c) }

// Fixed is the Router with one route, which keeps every call's destination.
// resends says that ms holds a retry or a hedge.
func Fixed(resends bool, ms ...Middleware) Router {
	r := &Route{Name: "fixed", Resends: resends, Next: Chain(ms...)(Send)}
	return RouterFunc(func(*Call) *Route { return r })
}
