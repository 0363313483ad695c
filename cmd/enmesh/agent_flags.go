// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

const agentText = `agent serves what policy and a registry say to programs on plain gRPC, in any language,
that dial xds:///SERVICE on this host. It runs until it is interrupted or terminated.

  enmesh agent -consul 127.0.0.1:8500 -policies policies/ -snapshots /var/lib/enmesh
  enmesh agent bootstrap -namespace shop -service-account web -o web.json
  GRPC_XDS_BOOTSTRAP=web.json ./web
  enmesh agent status

Each flag has a variable: ENMESH_AGENT_POLICIES for -policies, and so on; a flag goes
before its variable, and what may be given several times is separated by commas there.
What Consul's own client reads (CONSUL_HTTP_TOKEN, CONSUL_CACERT and so on) counts, too.
A service that several of -endpoints, -consul and -dns know is taken from the first.
Sockets that systemd opened (LISTEN_FDS) are used for -socket, -listen, -listen-tls and
-admin where they have the same address, and -socket is taken from "enmesh agent keep" where
that runs.`

const agentVariables = "ENMESH_AGENT_"

// defaultAdmin is where the agent says how it is.
const defaultAdmin = "127.0.0.1:15000"

// agentGroups is the order of the agent's flags in its help.
var agentGroups = []group{
	{"Where instances are", "endpoints consul consul-datacenter consul-token-file dns dns-server guard-trust guard-confirm guard-least guard-most guard-max-drop"},
	{"Policy", "policies consul-policies namespace root-namespace domain trust-domain trust-domain-alias"},
	{"What is kept", "snapshots"},
	{"Certificates", "issue ca ca-ttl certificate-provider"},
	{"Who is served, and where", "socket socket-mode socket-user socket-group listen listen-tls identity drain limit"},
	{"How it is", "admin load-reports load-interval log log-level"},
}

// agentFlags is what the command is told. What agent.Config has as such is in it.
type agentFlags struct {
	agent.Config
	sources sourceFlags
	issue   issueFlags
	peers   peerFlags
	logs    logFlags
}

func (a *agentFlags) flags(set *flag.FlagSet) {
	a.sources.flags(set)
	a.issue.flags(set)
	a.peers.flags(set)
	a.logs.flags(set)
	c := &a.Config
	set.Var((*words)(&c.Policies), "policies", "`file` or folder of Istio's YAML, which is watched; may be given several times")
	set.StringVar(&c.Namespace, "namespace", bootstrap.DefaultNamespace, "`namespace` of workloads, documents and services that name none")
	set.StringVar(&c.RootNamespace, "root-namespace", policy.DefaultRootNamespace, "`namespace` whose policies are for the whole mesh")
	set.StringVar(&c.Domain, "domain", "cluster.local", "`domain` of the mesh, the end of every service's full name")
	set.StringVar(&c.TrustDomain, "trust-domain", "cluster.local", "trust `domain` of the workloads' identities")
	set.Var((*words)(&c.TrustDomainAliases), "trust-domain-alias", "another `name` of the trust domain in policies; may be given several times")
	set.StringVar(&c.SnapshotDir, "snapshots", "", "`folder` where the last good endpoints and policy are kept, for a start while the registry is down")
	set.StringVar(&c.CertificateProvider, "certificate-provider", "", "`name` of the certificate provider in the bootstrap of workloads; with -issue it is "+agent.DefaultProvider+
		" if not given.\nWithout both, workloads have no identity, and what demands mutual TLS is refused")
	set.StringVar(&c.Admin, "admin", defaultAdmin, "loopback `address` of the status page and of /config, /metrics, /healthz and /readyz; empty: none")
	set.BoolVar(&c.LoadReports, "load-reports", false, "ask clients to report what they send where (LRS); the reports become metrics")
	set.DurationVar(&c.Drain, "drain", 0, "`time` over which clients are let go one by one when the agent is to end, with the socket free for the next one\n(default all at once)")
	set.DurationVar(&c.LoadInterval, "load-interval", xds.DefaultLoadInterval, "`time` between two reports of a client")
	set.StringVar(&c.Socket, "socket", "", "`path` of a unix socket to serve on (default "+defaultSocket+", without -listen and -listen-tls)")
	set.StringVar(&c.Listen, "listen", "", "loopback `address` to serve on, 127.0.0.1:15010 for instance: every process of the host can connect")
	set.StringVar(&c.ListenTLS, "listen-tls", "", "`address` to serve on with mutual TLS, as -identity")
	guardFlags(set, &c.Guard)
}

func guardFlags(set *flag.FlagSet, g *discovery.Guard) {
	set.BoolVar(&g.Trust, "guard-trust", false, "believe the registry at once when it loses many endpoints or all")
	set.DurationVar(&g.Confirm, "guard-confirm", 5*time.Second, "least `time` between two answers that confirm each other")
	set.DurationVar(&g.Least, "guard-least", 10*time.Second, "`time` for which a sudden loss is not believed, however often it is confirmed")
	set.DurationVar(&g.Most, "guard-most", 30*time.Second, "`time` for which a loss is doubted without a second answer")
	set.Float64Var(&g.MaxDrop, "guard-max-drop", 0.5, "`share` of a service's endpoints that may go at once")
}
