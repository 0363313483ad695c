// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Cluster is three servers and one client agent, which programs talk to.
type Cluster struct {
	Servers []*Node
	Client  *Node

	t testing.TB
}

// NewCluster starts a cluster, and returns when all its nodes are ready. It takes some
// 400 MB of memory.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	var join []string
	taken := make([]ports, 3)
	for i := range taken {
		taken[i] = reservePorts(t)
		join = append(join, "-retry-join", loopback(taken[i].lan))
	}
	for i, p := range taken {
		n := newNode(t, fmt.Sprintf("server%d", i+1), p, "-server", "-bootstrap-expect", "3",
			"-grpc-port", text(p.grpc), "-serf-wan-port", "-1", "-hcl", serverHCL)
		c.add(n, join)
		c.Servers = append(c.Servers, n)
	}
	c.Client = newNode(t, "client1", reservePorts(t), "-grpc-port", "-1", "-serf-wan-port", "-1")
	c.add(c.Client, join)
	for _, n := range c.nodes() {
		n.Ready()
	}
	return c
}

func (c *Cluster) add(n *Node, join []string) {
	n.Datacenter = "dc1"
	n.args = append(n.args, "-data-dir", filepath.Join(n.dir, "data"), "-hcl", `retry_interval = "1s"`)
	n.args = append(n.args, join...)
	n.start()
}

func (c *Cluster) nodes() []*Node { return append([]*Node{c.Client}, c.Servers...) }

// Leader is the server that leads now; it waits for one where an election is on. It asks
// the servers that run and are not frozen.
func (c *Cluster) Leader() *Node {
	c.t.Helper()
	var leader *Node
	if err := poll(func() error {
		for _, n := range c.Servers {
			if !n.Alive() || n.frozen {
				continue
			}
			if leader = c.leaderBy(n); leader != nil {
				return nil
			}
		}
		return fmt.Errorf("no running server names one that leads")
	}); err != nil {
		c.t.Fatalf("consultest: waited for a leader: %v", err)
	}
	return leader
}

// leaderBy is whom n takes for the leader, when that one leads indeed: it runs, and a
// consistent read through it succeeds.
func (c *Cluster) leaderBy(n *Node) *Node {
	var addr string
	if err := n.get("/v1/status/leader", &addr); err != nil {
		return nil
	}
	for _, s := range c.Servers {
		if loopback(s.ports.server) == addr && s.Alive() && !s.frozen && s.led() == nil {
			return s
		}
	}
	return nil
}

// Followers are the servers that run and do not lead.
func (c *Cluster) Followers() []*Node {
	c.t.Helper()
	leader := c.Leader()
	var rest []*Node
	for _, n := range c.Servers {
		if n != leader && n.Alive() {
			rest = append(rest, n)
		}
	}
	return rest
}
