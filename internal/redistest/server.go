// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// Server is one Redis.
type Server struct {
	*Process
	Addr string // "127.0.0.1:port"
	Port int

	t       testing.TB
	program string
	args    []string
}

// Start runs a server that keeps nothing, and returns when it answers. args are further
// options, as on its command line.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t, args...)
	s.launch()
	s.Await("to answer", func() error { _, err := s.Try("PING"); return err })
	return s
}

func newServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, program: Binary(t), Port: Ports(t)}
	s.Addr = Loopback(s.Port)
	s.args = append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(s.Port), "--save", "", "--appendonly", "no"}, args...)
	s.Process = &Process{Dir: t.TempDir()}
	return s
}

func (s *Server) launch() {
	s.t.Helper()
	s.Process = Run(s.t, "redis "+s.Addr, s.Dir, s.program, nil, s.args...)
}

// Restart runs a killed server again, on its port, without its data, and waits until it
// answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.launch()
	s.Await("to answer", func() error { _, err := s.Try("PING"); return err })
}

// Try sends a command (see [Command]).
func (s *Server) Try(args ...string) (any, error) { return Command(s.Addr, args...) }

// Do is [Server.Try] that must succeed.
func (s *Server) Do(args ...string) any {
	s.t.Helper()
	got, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redistest: %s: %.40q: %v", s.Addr, args, err)
	}
	return got
}

// Keys are all keys of the server, by SCAN.
func (s *Server) Keys() []string {
	s.t.Helper()
	seen := map[string]bool{}
	var keys []string
	for cursor := "0"; ; {
		page, ok := s.Do("SCAN", cursor, "COUNT", "1000").([]any)
		if !ok || len(page) != 2 {
			s.t.Fatalf("redistest: %s: SCAN answered %v", s.Addr, page)
		}
		found, ok := page[1].([]any)
		if !ok {
			s.t.Fatalf("redistest: %s: SCAN answered %v", s.Addr, page)
		}
		for _, key := range found {
			if name := fmt.Sprint(key); !seen[name] {
				seen[name] = true
				keys = append(keys, name)
			}
		}
		if cursor = fmt.Sprint(page[0]); cursor == "0" {
			return keys
		}
	}
}

// Await polls until check succeeds, and fails the test when that takes half a minute.
func (s *Server) Await(what string, check func() error) {
	s.t.Helper()
	Await(s.t, "redis "+s.Addr+" "+what, check)
}

// Await polls until check succeeds, and fails the test when that takes half a minute.
func Await(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("redistest: waited 30 s for %s: %v", what, err)
		}
		<-tick.C
	}
}
