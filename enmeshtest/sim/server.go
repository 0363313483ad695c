// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
)

// Server is one instance behind the balancer: it works on some calls at once and lets
// the others wait in line, in the order in which they came.
type Server struct {
	Service Distribution // how long it works on a call; required
	Workers int          // how many calls it works on at once; 0: 1

	// Slow multiplies the time of every call that it begins; 0: 1.
	Slow float64
	// Fails is the share of calls, 0 to 1, that it answers with 503 instead of working on
	// them, without a place in line, after FailsAfter (0: at once).
	Fails      float64
	FailsAfter time.Duration
	// Cold multiplies the time of the calls that it begins when it has just come, as of
	// a process with empty caches; the factor falls to 1, in proportion to time, over
	// Warmup. 0: 1.
	Cold   float64
	Warmup time.Duration

	// Info is what the registry tells of it: weight, locality, labels. One without an
	// address gets one.
	Info discovery.Endpoint
}

// Uniform is n servers that work on one call at a time, all alike.
func Uniform(n int, service Distribution) []Server {
	servers := make([]Server, n)
	for i := range servers {
		servers[i].Service = service
	}
	return servers
}

// check says what is wrong with server i, and fills in defaults.
func (s *Server) complete(i int) error {
	switch {
	case s.Service == nil || s.Service.Mean() <= 0:
		return fmt.Errorf("sim: server %d: Service must be given, with a mean above 0", i)
	case s.Workers < 0 || s.Slow < 0 || s.Cold < 0 || s.Warmup < 0 || s.FailsAfter < 0:
		return fmt.Errorf("sim: server %d: Workers, Slow, Cold, Warmup and FailsAfter must not be negative", i)
	case !(s.Fails >= 0 && s.Fails <= 1):
		return fmt.Errorf("sim: server %d: Fails is %v, want 0 to 1", i, s.Fails)
	}
	s.Workers = max(s.Workers, 1)
	if s.Slow == 0 {
		s.Slow = 1
	}
	if s.Cold == 0 {
		s.Cold = 1
	}
	if len(s.Info.Addrs) == 0 {
		s.Info.Addrs = []string{fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255)}
	}
	return nil
}

// capacity is how many calls it can work off in a second, when neither slow nor cold.
func (s *Server) capacity() float64 { return float64(s.Workers) / s.Service.Mean().Seconds() }

// server is a Server at work.
type server struct {
	Server
	index  int
	absent bool // not in the registry
	since  enmesh.Instant
	busy   int
	line   []*job // those that wait are line[head:]
	head   int
}

// factor is what multiplies the time of a call that begins now.
func (s *server) factor(now enmesh.Instant) float64 {
	age := now.Sub(s.since)
	if age >= s.Warmup {
		return s.Slow
	}
	return s.Slow * (s.Cold + (1-s.Cold)*float64(age)/float64(s.Warmup))
}

// wait puts a job at the line's end.
func (s *server) wait(j *job) { s.line = append(s.line, j) }

// next takes the first of the line, nil if nobody waits.
func (s *server) next() *job {
	if s.head == len(s.line) {
		return nil
	}
	j := s.line[s.head]
	s.line[s.head] = nil
	s.head++
	if s.head == len(s.line) {
		s.line, s.head = s.line[:0], 0
	} else if s.head > 1024 && s.head > len(s.line)/2 {
		s.line = s.line[:copy(s.line, s.line[s.head:])]
		s.head = 0
	}
	return j
}
