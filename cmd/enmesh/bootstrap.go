// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"io"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
)

const bootstrapText = `agent bootstrap writes the file that a program on plain gRPC finds its agent by, for one
workload. The program gets it in its environment, before it starts:

  enmesh agent bootstrap -namespace shop -service-account web -label app=web \
      -region eu -zone eu-1 -certificates /run/enmesh/certs/web -o /run/enmesh/web.json
  GRPC_XDS_BOOTSTRAP=/run/enmesh/web.json ./web

There is no secret in it. Each flag has a variable: ENMESH_AGENT_BOOTSTRAP_ZONE for -zone,
and so on; a flag goes before its variable.`

const bootstrapVariables = "ENMESH_AGENT_BOOTSTRAP_"

var bootstrapGroups = []group{
	{"The agent", "server fallback tls"},
	{"The workload", "node cluster namespace service-account label region zone sub-zone"},
	{"Its certificate", "certificates certificate-provider refresh"},
	{"The file", "o server-listener keep-deleted"},
}

// bootstrapFlagSet is the flags of "enmesh agent bootstrap".
func bootstrapFlagSet(messages io.Writer) (set *flag.FlagSet, c *bootstrap.Config, labels *pairs, out *string) {
	set = flags("agent bootstrap", "", "", messages)
	c, labels = &bootstrap.Config{}, &pairs{}
	set.StringVar(&c.Server, "server", bootstrap.DefaultServer, "`address` of the agent: unix:///path/to.sock, or host:port")
	set.Var((*words)(&c.Fallback), "fallback", "`address` of a further agent, asked while the one before cannot be reached, by gRPC in Go, and by new\nversions in Java, C++ and Python; may be given several times")
	set.BoolVar(&c.TLS, "tls", false, "ask agents at host:port with the workload's certificate; needed beyond this host. For Go, C++ and Python")
	set.StringVar(&c.NodeID, "node", "", "`name` that tells clients apart (default ACCOUNT.NAMESPACE@HOST)")
	set.StringVar(&c.Cluster, "cluster", "", "`name` for all instances of the workload (default the service account)")
	set.StringVar(&c.Namespace, "namespace", bootstrap.DefaultNamespace, "`namespace` of the workload")
	set.StringVar(&c.ServiceAccount, "service-account", "", "`account` of the workload: its identity within the namespace")
	set.Var(labels, "label", "label of the workload, `key=value`, as policies select it; may be given several times")
	set.StringVar(&c.Region, "region", "", "`region` where the workload is")
	set.StringVar(&c.Zone, "zone", "", "`zone` within the region")
	set.StringVar(&c.SubZone, "sub-zone", "", "`part` of the zone")
	set.StringVar(&c.Certificates, "certificates", "", "`folder` of the workload's cert.pem, key.pem and ca.pem, absolute: that of -issue. Without it the workload has no identity")
	set.StringVar(&c.CertificateProvider, "certificate-provider", bootstrap.DefaultCertificateProvider, "`name` by which the agent calls the folder")
	set.DurationVar(&c.Refresh, "refresh", bootstrap.DefaultRefresh, "`time` between two looks into the folder")
	set.StringVar(&c.ServerListener, "server-listener", "", "`template` of the name that servers ask for their listener by, with %s for the address\n(default grpc/server?xds.resource.listening_address=%s)")
	set.BoolVar(&c.KeepDeleted, "keep-deleted", false, "have clients keep using what the agent does not have any more")
	out = set.String("o", "", "`file` to write in one step; without it, the text goes to standard output")
	grouped(set, "[flags]", bootstrapText, bootstrapGroups)
	return set, c, labels, out
}

// writeBootstrap is "enmesh agent bootstrap".
func writeBootstrap(_ context.Context, args []string, out, messages io.Writer) int {
	set, c, labels, to := bootstrapFlagSet(messages)
	if code, done := parseWith(set, bootstrapVariables, args); done {
		return code
	}
	c.Labels = labels.all
	text, err := c.JSON()
	if err != nil {
		say(messages, "enmesh: agent bootstrap: %v\n", err)
		return exitUsage
	}
	if *to == "" {
		say(out, "%s", text)
		return exitWell
	}
	if err := c.WriteFile(*to); err != nil {
		say(messages, "enmesh: agent bootstrap: %v\n", err)
		return exitNo
	}
	return exitWell
}
