// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Ready waits until the node answers as a working one does: a consistent read succeeds,
// so there is a leader with a quorum, and the node's own health check passes. It checks
// that nothing is bound beyond 127.0.0.1.
func (n *Node) Ready() {
	n.t.Helper()
	n.await("to be ready", n.ready)
	n.checkLoopback()
}

// AwaitLeader waits until a consistent read through this node succeeds, and returns how
// long that took.
func (n *Node) AwaitLeader() time.Duration {
	n.t.Helper()
	begin := time.Now()
	n.await("to have a leader", n.led)
	return time.Since(begin)
}

// await polls check, every 20 ms and for a minute at most.
func (n *Node) await(what string, check func() error) {
	n.t.Helper()
	if err := poll(func() error {
		if !n.Alive() {
			return fmt.Errorf("%w: %s has ended", errGiveUp, n.Name)
		}
		return check()
	}); err != nil {
		n.t.Fatalf("consultest: waited for %s %s: %v", n.Name, what, err)
	}
}

// Await polls check until it returns nil, every 20 ms and for d at most; then the test
// fails with the last error. It is for conditions on the nodes or on the code under test.
func Await(t testing.TB, d time.Duration, check func() error) {
	t.Helper()
	if err := pollFor(d, check); err != nil {
		t.Fatalf("after %v: %v", d, err)
	}
}

// errGiveUp ends a poll at once.
var errGiveUp = errors.New("no use to wait")

func poll(check func() error) error { return pollFor(readyWithin, check) }

func pollFor(d time.Duration, check func() error) error {
	deadline := time.Now().Add(d)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil || errors.Is(err, errGiveUp) || time.Now().After(deadline) {
			return err
		}
		<-tick.C
	}
}

func (n *Node) ready() error {
	if err := n.led(); err != nil {
		return err
	}
	var checks []struct{ CheckID, Status string }
	if err := n.get("/v1/health/node/"+n.Name, &checks); err != nil {
		return err
	}
	for _, c := range checks {
		if c.CheckID == "serfHealth" && c.Status == "passing" {
			return nil
		}
	}
	return fmt.Errorf("no serfHealth that passes among the checks %v", checks)
}

// led succeeds when a leader answers. The key does not exist: 404 is its answer.
func (n *Node) led() error {
	r, err := n.try(http.MethodGet, "/v1/kv/consultest/none?consistent", nil, 2*time.Second)
	if err != nil {
		return err
	}
	if r.Status != http.StatusNotFound {
		return fmt.Errorf("read through a leader: got status %d %s", r.Status, r.Body)
	}
	return nil
}

// checkLoopback fails the test when the process has bound another address than a
// loopback one.
func (n *Node) checkLoopback() {
	n.t.Helper()
	found, err := foreign(n.process.proc.Pid)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		n.t.Fatalf("consultest: sockets of %s: %v", n.Name, err)
	case len(found) > 0:
		n.t.Fatalf("consultest: %s has bound addresses beyond loopback: %q", n.Name, found)
	}
}
