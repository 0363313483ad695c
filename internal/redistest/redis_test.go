// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/internal/redistest"
)

func TestServer_returnsOnItsPortWithoutItsData(t *testing.T) {
	s := redistest.Start(t)
	s.Do("SET", "key", "value")
	if got := s.Keys(); len(got) != 1 || got[0] != "key" {
		t.Errorf("got the keys %q, want key alone", got)
	}
	s.Kill()
	if _, err := s.Try("PING"); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if got := s.Do("GET", "key"); got != nil {
		t.Errorf("after a restart the key is %v, want nil", got)
	}
	s.Freeze()
	s.Thaw()
	if got := s.Do("PING"); got != "PONG" {
		t.Errorf("thawed, it answers %v, want PONG", got)
	}
	if _, err := s.Try("NONSENSE"); err == nil {
		t.Error("a command that there is not succeeds")
	}
}

func TestCluster_sharesTheSlots(t *testing.T) {
	c := redistest.NewCluster(t)
	moved := 0
	for _, s := range c.Masters {
		if _, err := s.Try("SET", "key", "value"); err != nil {
			moved++
		}
	}
	if moved != 2 {
		t.Errorf("%d of 3 masters refuse a key, want 2", moved)
	}
}

func TestSentinels_knowTheirMaster(t *testing.T) {
	g := redistest.NewSentinels(t)
	for _, addr := range g.Addrs {
		got, err := redistest.Command(addr, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", g.Name)
		if err != nil || len(got.([]any)) != 2 {
			t.Errorf("%s: got %v, %v; want host and port", addr, got, err)
		}
	}
}
