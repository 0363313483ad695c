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
)

// sourceFlags say where instances are.
type sourceFlags struct {
	endpoints   words
	consul      string
	datacenters words
	tokenFile   string
	dns         string
	servers     words
}

func (s *sourceFlags) flags(set *flag.FlagSet) {
	set.Var(&s.endpoints, "endpoints", "`file` or folder of services and their endpoints, which is watched; may be given several times")
	set.StringVar(&s.consul, "consul", "", "`address` of Consul's agent: host:port, http(s)://host:port or unix:///path")
	set.Var(&s.datacenters, "consul-datacenter", "`name` of a datacenter to watch, the preferred one first (default the agent's own); may be given several times")
	set.StringVar(&s.tokenFile, "consul-token-file", "", "`file` with the ACL token for Consul, read again for every request")
	set.StringVar(&s.dns, "dns", "", "what to ask DNS for, a `name` with %s for the service: _grpc._tcp.%s.service.consul, or %s.internal:9080")
	set.Var(&s.servers, "dns-server", "`address` of a DNS server (default those of /etc/resolv.conf); may be given several times")
}

var errNoSource = errors.New("where are the instances? give -consul, -dns or -endpoints")

// open makes the resolver, and what is to be closed after it.
func (s *sourceFlags) open() (r discovery.Resolver, closers []io.Closer, err error) {
	var all []discovery.Resolver
	defer func() {
		if err != nil {
			_ = closeAll(closers)
		}
	}()
	for _, path := range s.endpoints {
		one, err := file.Open(path, file.Config{})
		if err != nil {
			return nil, closers, err
		}
		all, closers = append(all, one), append(closers, one)
	}
	if s.consul != "" {
		one, err := consul.New(consul.Config{Address: s.consul, TokenFile: s.tokenFile, Datacenters: s.datacenters})
		if err != nil {
			return nil, closers, err
		}
		all, closers = append(all, one), append(closers, one)
	}
	if s.dns != "" {
		one, err := s.openDNS()
		if err != nil {
			return nil, closers, err
		}
		all = append(all, one)
	}
	switch len(all) {
	case 0:
		return nil, closers, errNoSource
	case 1:
		return all[0], closers, nil
	}
	return discovery.Failover(0, all...), closers, nil
}

func (s *sourceFlags) openDNS() (discovery.Resolver, error) {
	if strings.Count(s.dns, "%s") != 1 {
		return nil, fmt.Errorf("-dns %q: once %%s is needed, for the service", s.dns)
	}
	return dns.New(dns.Config{
		Servers: s.servers,
		Query:   func(service string) string { return strings.Replace(s.dns, "%s", service, 1) },
	})
}

// closeAll closes the last one first.
func closeAll(closers []io.Closer) error {
	var all []error
	for i := len(closers) - 1; i >= 0; i-- {
		all = append(all, closers[i].Close())
	}
	return errors.Join(all...)
}
