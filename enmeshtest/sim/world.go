// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// World is what an [Event] can change. Servers go by number: those of [Config] from 0,
// those that come later by what [World.Add] and [World.Replace] returned. A number that
// does not exist panics. Changes hold for calls that a server begins from now on.
type World struct{ e *engine }

// Now is the time since the start.
func (w *World) Now() time.Duration { return w.e.now.Sub(w.e.start) }

// Len is how many servers there have been so far: the next to come has this number.
func (w *World) Len() int { return len(w.e.servers) }

// Slow sets the factor [Server.Slow] of server i.
func (w *World) Slow(i int, factor float64) { w.alter(i, func(s *Server) { s.Slow = factor }) }

// Fail sets the share of calls that server i fails, [Server.Fails].
func (w *World) Fail(i int, share float64) { w.alter(i, func(s *Server) { s.Fails = share }) }

// alter changes a server, and refuses by a panic what [Config] would have refused.
func (w *World) alter(i int, change func(*Server)) {
	s := w.e.servers[i]
	change(&s.Server)
	if err := s.Server.complete(i); err != nil {
		panic(err)
	}
}

// Tell changes what the registry says of server i, but for its address. Maps in it are
// not to be written: change puts others in their place.
func (w *World) Tell(i int, change func(*discovery.Endpoint)) {
	change(&w.e.servers[i].Info)
	w.e.apply()
}

// Add brings a new server and returns its number.
func (w *World) Add(s Server) int {
	i := w.add(s)
	w.e.apply()
	return i
}

func (w *World) add(s Server) int {
	i := len(w.e.servers)
	if err := s.complete(i); err != nil {
		panic(err)
	}
	w.e.servers = append(w.e.servers, &server{Server: s, index: i, since: w.e.now})
	return i
}

// Remove takes server i out of the registry. It finishes the calls that it has.
func (w *World) Remove(i int) {
	w.e.servers[i].absent = true
	w.e.apply()
}

// Return brings server i back into the registry, cold as one that is new.
func (w *World) Return(i int) {
	s := w.e.servers[i]
	s.absent, s.since = false, w.e.now
	w.e.apply()
}

// Replace removes server i and adds one like it at another address, in one change of
// the set; it returns the number of the new one.
func (w *World) Replace(i int) int {
	like := w.e.servers[i].Server
	like.Info.Addrs = nil
	w.e.servers[i].absent = true
	j := w.add(like)
	w.e.apply()
	return j
}

// Endpoint is server i as client c sees it, for [balance.Endpoint.Eject] and its like;
// nil while it is not in the registry.
func (w *World) Endpoint(c, i int) *balance.Endpoint {
	for _, e := range w.Cluster(c).Set().Endpoints {
		if w.e.of[e] == w.e.servers[i] {
			return e
		}
	}
	return nil
}

// Cluster is the cluster of client c.
func (w *World) Cluster(c int) *balance.Cluster { return w.e.clients[c].cluster }

// String says where the simulation stands.
func (w *World) String() string {
	return fmt.Sprintf("%v, %d of %d calls", w.Now(), len(w.e.records), w.e.cfg.Calls)
}
