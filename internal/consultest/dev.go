// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// Config describes a single server.
type Config struct {
	// Keep has the server keep its data over a restart. Otherwise it forgets all when it
	// ends, and its indexes begin anew.
	Keep bool
	// ACL turns access control on, where the default is to deny.
	ACL bool
	// Datacenter is its name; "" means dc1.
	Datacenter string
	// Join is a server of another datacenter, to federate with.
	Join *Node
	// HCL is more configuration in Consul's own language.
	HCL string
}

// Dev starts one server, and returns when it is ready.
func Dev(t testing.TB, cfg Config) *Node {
	t.Helper()
	dc := cfg.Datacenter
	if dc == "" {
		dc = "dc1"
	}
	p := reservePorts(t)
	n := newNode(t, "dev-"+dc, p, "-datacenter", dc, "-grpc-port", text(p.grpc), "-serf-wan-port", text(p.wan))
	n.Datacenter = dc
	if cfg.Keep {
		n.args = append(n.args, "-server", "-bootstrap-expect", "1", "-data-dir", filepath.Join(n.dir, "data"),
			"-hcl", serverHCL)
	} else {
		n.args = append(n.args, "-dev")
	}
	if cfg.ACL {
		n.Token = uuid()
		n.args = append(n.args, "-hcl", fmt.Sprintf(aclHCL, n.Token))
	}
	if cfg.HCL != "" {
		n.args = append(n.args, "-hcl", cfg.HCL)
	}
	if cfg.Join != nil {
		n.args = append(n.args, "-retry-join-wan", loopback(cfg.Join.ports.wan))
	}
	n.start()
	n.Ready()
	if cfg.Join != nil {
		n.awaitFederation(cfg.Join)
	}
	return n
}

// ACL starts one server with access control, where the default is to deny. Its Token may
// do everything; [Node.NewToken] makes lesser ones.
func ACL(t testing.TB) *Node {
	t.Helper()
	return Dev(t, Config{ACL: true})
}

// serverHCL is for servers with data on disk: quick elections, and no goodbye that
// would change the quorum.
const serverHCL = `connect { enabled = true } performance { raft_multiplier = 1 } leave_on_terminate = false`

// aclHCL takes the management token, which is the agent's own too.
const aclHCL = `acl { enabled = true default_policy = "deny" tokens { initial_management = %[1]q agent = %[1]q } }`

// uuid makes a random one, as Consul wants its tokens.
func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// awaitFederation waits until both ends know of each other's datacenter.
func (n *Node) awaitFederation(other *Node) {
	n.t.Helper()
	for from, to := range map[*Node]string{n: other.Datacenter, other: n.Datacenter} {
		from.await("to reach "+to, func() error {
			var dcs []string
			if err := from.get("/v1/catalog/datacenters", &dcs); err != nil {
				return err
			}
			if !slices.Contains(dcs, to) {
				return fmt.Errorf("it knows the datacenters %v", dcs)
			}
			var nodes []struct{ Node string }
			return from.get("/v1/catalog/nodes?dc="+to, &nodes)
		})
	}
}
