// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
)

// Keys of an instance's metadata that mean something here. Consul allows letters,
// digits, "-" and "_" in a key. All other keys are labels.
const (
	MetaVersion        = "version"         // [discovery.Endpoint.Version], and the label
	MetaNamespace      = "namespace"       // of the workload, for its certificate's name
	MetaServiceAccount = "service-account" // likewise
	MetaLocality       = "locality"        // region/zone/subzone; before Consul's own locality
	MetaDraining       = "draining"        // "true": finishes what it has
	MetaPort           = "port-"           // port-<name>: number[:target][/protocol]
	MetaMetadata       = "metadata-"       // metadata-<key>: [discovery.Endpoint.Metadata]
)

// What a Registry adds to [discovery.Endpoint.Metadata].
const (
	InfoID         = "consul-id"
	InfoNode       = "consul-node"
	InfoDatacenter = "consul-datacenter"
	InfoTags       = "consul-tags" // those without "=", joined by commas
)

// endpoint makes an endpoint of an instance, or says in a word what is wrong.
func (s *selection) endpoint(e *entry) (ep discovery.Endpoint, problem string) {
	for _, tag := range s.tags {
		if !slices.Contains(e.Service.Tags, tag) {
			return ep, "tag" // Consul was asked for these tags only
		}
	}
	ep = discovery.Endpoint{
		Labels:   make(map[string]string),
		Metadata: make(map[string]string),
	}
	readTags(&ep, e.Service.Tags)
	if !readMeta(&ep, e.Service.Meta) {
		return ep, "meta"
	}
	ep.Version = ep.Labels[MetaVersion]
	if ep.Locality == (discovery.Locality{}) {
		ep.Locality = localityOf(e)
	}
	for key, value := range map[string]string{
		InfoID: e.Service.ID, InfoNode: e.Node.Node, InfoDatacenter: e.Node.Datacenter,
	} {
		if value != "" {
			ep.Metadata[key] = value
		}
	}
	ep.Addrs, problem = s.addresses(e, len(ep.Ports) > 0)
	return ep, problem
}

// readTags makes labels of tags of the form key=value; the others are listed.
func readTags(ep *discovery.Endpoint, tags []string) {
	var plain []string
	for _, tag := range tags {
		if key, value, ok := strings.Cut(tag, "="); ok && key != "" {
			ep.Labels[key] = value
		} else if tag != "" {
			plain = append(plain, tag)
		}
	}
	if len(plain) > 0 {
		slices.Sort(plain)
		ep.Metadata[InfoTags] = strings.Join(plain, ",")
	}
}

// readMeta reads metadata, and reports whether what has a meaning could be read. A
// locality that cannot be is left out: better a host nobody can place than none.
func readMeta(ep *discovery.Endpoint, meta map[string]string) bool {
	for key, value := range meta {
		switch {
		case key == MetaNamespace:
			ep.Namespace = value
		case key == MetaServiceAccount:
			ep.ServiceAccount = value
		case key == MetaLocality:
			ep.Locality, _ = discovery.ParseLocality(value)
		case key == MetaDraining:
			ep.Draining = value == "true"
		case strings.HasPrefix(key, MetaMetadata):
			ep.Metadata[strings.TrimPrefix(key, MetaMetadata)] = value
		case strings.HasPrefix(key, MetaPort):
			p, ok := parsePort(strings.TrimPrefix(key, MetaPort), value)
			if !ok {
				return false
			}
			ep.Ports = append(ep.Ports, p)
		default:
			ep.Labels[key] = value
		}
	}
	slices.SortFunc(ep.Ports, comparePorts)
	return true
}

func localityOf(e *entry) discovery.Locality {
	for _, p := range []*place{e.Service.Locality, e.Node.Locality} {
		if p != nil && p.Region != "" {
			return discovery.Locality{Region: p.Region, Zone: p.Zone}
		}
	}
	return discovery.Locality{}
}

// addresses are the address of the choice, and the other one of a dual-stack host.
func (s *selection) addresses(e *entry, portless bool) (addrs []string, problem string) {
	host, port := s.address(e)
	first, problem := joinAddress(host, port, portless)
	if problem != "" {
		return nil, problem
	}
	addrs = []string{first}
	other := "lan_ipv6"
	if a, err := netip.ParseAddr(host); err != nil {
		return addrs, ""
	} else if a.Is6() {
		other = "lan_ipv4"
	}
	if t, ok := e.Service.TaggedAddresses[other]; ok {
		second, problem := joinAddress(t.Address, t.Port, portless)
		if problem == "" && second != first {
			addrs = append(addrs, second)
		}
	}
	return addrs, ""
}

// address is the tagged address of the service or of its node, if one was asked for
// and is there; else the service's own; else the node's.
func (s *selection) address(e *entry) (host string, port int64) {
	if s.taggedAddress != "" {
		if t, ok := e.Service.TaggedAddresses[s.taggedAddress]; ok && t.Address != "" {
			return t.Address, t.Port
		}
		if host := e.Node.TaggedAddresses[s.taggedAddress]; host != "" {
			return host, e.Service.Port
		}
	}
	if e.Service.Address != "" {
		return e.Service.Address, e.Service.Port
	}
	return e.Node.Address, e.Service.Port
}

// joinAddress is host:port, or what is wrong with it. A port may be missing where
// ports are listed on their own.
func joinAddress(host string, port int64, portless bool) (addr, problem string) {
	if port < 0 || port > 65535 || port == 0 && !portless {
		return "", "port"
	}
	if !validHost(host) {
		return "", "address"
	}
	return net.JoinHostPort(host, strconv.FormatInt(port, 10)), ""
}

// validHost reports whether host can be dialled from elsewhere: an address that is
// specified and has no zone, or a name.
func validHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast()
	}
	if host == "" || len(host) > 253 {
		return false
	}
	return !strings.ContainsFunc(host, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
