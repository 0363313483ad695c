// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/discovery/dns"
	"github.com/enmesh-go/enmesh/discovery/file"
	"github.com/enmesh-go/enmesh/policy"
)

// sourceFlags say where instances are.
type sourceFlags struct {
	endpoints   words
	consul      string
	datacenters words
	folders     words
	tokenFile   string
	dns         string
	servers     words
}

func (s *sourceFlags) flags(set *flag.FlagSet) {
	set.Var(&s.endpoints, "endpoints", "`file` or folder of services and their endpoints, which is watched; may be given several times")
	set.StringVar(&s.consul, "consul", "", "`address` of Consul's agent: host:port, http(s)://host:port or unix:///path")
	set.Var(&s.datacenters, "consul-datacenter", "`name` of a datacenter to watch, the preferred one first (default the agent's own); may be given several times")
	set.Var(&s.folders, "consul-policies", "`prefix` of keys in Consul's KV store; each below it that ends in .yaml, .yml or .json is a policy file, which is\nwatched; may be given several times")
	set.StringVar(&s.tokenFile, "consul-token-file", "", "`file` with the ACL token for Consul, read again for every request")
	set.StringVar(&s.dns, "dns", "", "what to ask DNS for, a `name` with %s for the service: _grpc._tcp.%s.service.consul, or %s.internal:9080")
	set.Var(&s.servers, "dns-server", "`address` of a DNS server, for -dns and for ServiceEntries (default those of /etc/resolv.conf); may be given several times")
}

var (
	errNoSource = errors.New("where are the instances? give -consul, -dns or -endpoints")
	errNoConsul = errors.New("-consul-policies is given and -consul is not: which Consul has them?")
)

// sources are what the agent reads, and what is to be closed after it.
type sources struct {
	resolver discovery.Resolver
	names    discovery.Resolver // of the hosts of ServiceEntries; nil: the system's
	policies []policy.Source
	closers  []io.Closer
}

// open opens what the flags name.
func (s *sourceFlags) open() (*sources, error) {
	out := &sources{}
	var all []discovery.Resolver
	for _, open := range []func(*sources) ([]discovery.Resolver, error){s.openFiles, s.openConsul, s.openDNS} {
		more, err := open(out)
		if err != nil {
			return nil, errors.Join(err, closeAll(out.closers))
		}
		all = append(all, more...)
	}
	switch len(all) {
	case 0:
		return nil, errNoSource
	case 1:
		out.resolver = all[0]
	default:
		out.resolver = discovery.Failover(0, all...)
	}
	return out, nil
}

func (s *sourceFlags) openFiles(out *sources) (all []discovery.Resolver, err error) {
	for _, path := range s.endpoints {
		one, err := file.Open(path, file.Config{})
		if err != nil {
			return nil, err
		}
		all, out.closers = append(all, one), append(out.closers, one)
	}
	return all, nil
}

func (s *sourceFlags) openConsul(out *sources) ([]discovery.Resolver, error) {
	if s.consul == "" {
		if len(s.folders) > 0 {
			return nil, errNoConsul
		}
		return nil, nil
	}
	registry, err := consul.New(consul.Config{Address: s.consul, TokenFile: s.tokenFile, Datacenters: s.datacenters, Unhealthy: true})
	if err != nil {
		return nil, err
	}
	out.closers = append(out.closers, registry)
	for _, prefix := range s.folders {
		folder, err := registry.Folder(prefix)
		if err != nil {
			return nil, err
		}
		out.policies = append(out.policies, folder)
	}
	return []discovery.Resolver{registry}, nil
}

func (s *sourceFlags) openDNS(out *sources) ([]discovery.Resolver, error) {
	if len(s.servers) > 0 {
		names, err := dns.New(dns.Config{Servers: s.servers})
		if err != nil {
			return nil, err
		}
		out.names = names
	}
	if s.dns == "" {
		return nil, nil
	}
	if strings.Count(s.dns, "%s") != 1 {
		return nil, fmt.Errorf("-dns %q: once %%s is needed, for the service", s.dns)
	}
	one, err := dns.New(dns.Config{
		Servers: s.servers,
		Query:   func(service string) string { return strings.Replace(s.dns, "%s", service, 1) },
	})
	return []discovery.Resolver{one}, err
}

// closeAll closes the last one first.
func closeAll(closers []io.Closer) error {
	var all []error
	for i := len(closers) - 1; i >= 0; i-- {
		all = append(all, closers[i].Close())
	}
	return errors.Join(all...)
}
