// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// slots is how many hash slots a cluster has.
const slots = 16384

// Cluster is three masters that share the slots, without replicas.
type Cluster struct {
	Masters []*Server
}

// NewCluster starts a cluster, and returns when all three know of all slots.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	for range 3 {
		s := newServer(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no")
		s.args = append(s.args, "--cluster-port", strconv.Itoa(s.Port+1))
		s.launch()
		s.Await("to answer", func() error { _, err := s.Try("PING"); return err })
		c.Masters = append(c.Masters, s)
	}
	for i, s := range c.Masters {
		s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/3), strconv.Itoa((i+1)*slots/3-1))
		first := c.Masters[0]
		s.Do("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(first.Port), strconv.Itoa(first.Port+1))
	}
	for _, s := range c.Masters {
		s.Await("to see the whole cluster", func() error {
			info := fmt.Sprint(s.Do("CLUSTER", "INFO"))
			if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_assigned:16384") {
				return nil
			}
			return fmt.Errorf("cluster info: %s", info)
		})
	}
	return c
}

// Addrs are those of the masters.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.Masters {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}
