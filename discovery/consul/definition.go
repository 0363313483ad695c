// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/discovery"
)

// What Consul allows in metadata.
const (
	maxMetaKey   = 128
	maxMetaValue = 512
	maxMetaPairs = 64
	maxWeight    = 65535
)

// define is the registration of an instance. A Registry reads back from it the
// endpoint it was made of.
func (r *Registry) define(in discovery.Instance) (*api.AgentServiceRegistration, error) {
	name := r.cfg.name(in.Service)
	if err := validName(name); err != nil {
		return nil, err
	}
	id := r.instanceID(name, in.ID)
	host, port, err := splitAddress(in.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("consul: instance %q of service %q: %w", in.ID, in.Service, err)
	}
	if in.Weight > maxWeight {
		return nil, fmt.Errorf("consul: instance %q of service %q: the weight is %d; Consul takes at most %d",
			in.ID, in.Service, in.Weight, maxWeight)
	}
	weight := int(in.EffectiveWeight())
	def := &api.AgentServiceRegistration{
		ID: id, Name: name, Address: host, Port: port,
		Meta:            make(map[string]string),
		Tags:            slices.Clone(r.cfg.Tags),
		Weights:         &api.AgentWeights{Passing: weight, Warning: weight},
		TaggedAddresses: otherAddress(in.Endpoint, host),
		Check:           r.cfg.Check.define(id, net.JoinHostPort(host, strconv.Itoa(port))),
	}
	if err := describe(def, in.Endpoint); err != nil {
		return nil, fmt.Errorf("consul: instance %q of service %q: %w", in.ID, in.Service, err)
	}
	return def, nil
}

// instanceID is unique on the agent and in time: service, instance, and this process
// among all that were started under that name.
func (r *Registry) instanceID(service, id string) string {
	if id != service && !strings.HasPrefix(id, service+"-") {
		id = service + "-" + id
	}
	clean := func(c rune) rune {
		if c <= ' ' || c == 0x7f || strings.ContainsRune(`/\?#%`, c) {
			return '-'
		}
		return c
	}
	return strings.Map(clean, id) + "-" + r.process
}

// splitAddress is the host and the port to register: that of the address or, where
// ports are listed, the first one's target.
func splitAddress(ep discovery.Endpoint) (host string, port int, err error) {
	if len(ep.Addrs) == 0 {
		return "", 0, fmt.Errorf("there is no address")
	}
	addr := ep.Addrs[0]
	if len(ep.Ports) > 0 {
		addrs, _ := ep.Address(ep.Ports[0].Number, ep.Ports[0].Protocol)
		addr = addrs[0]
	}
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("address %q is not host:port", addr)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("address %q has no port from 1 to 65535", addr)
	}
	if !validHost(host) {
		return "", 0, fmt.Errorf("address %q cannot be reached from elsewhere", addr)
	}
	return host, int(number), nil
}

// otherAddress are the addresses of a dual-stack host by family.
func otherAddress(ep discovery.Endpoint, first string) map[string]api.ServiceAddress {
	if len(ep.Addrs) < 2 {
		return nil
	}
	host, port, err := splitAddress(discovery.Endpoint{Addrs: ep.Addrs[1:], Ports: ep.Ports})
	if err != nil {
		return nil
	}
	a, errA := netip.ParseAddr(first)
	b, errB := netip.ParseAddr(host)
	if errA != nil || errB != nil || a.Is4() == b.Is4() {
		return nil
	}
	key := "lan_ipv6"
	if b.Is4() {
		key = "lan_ipv4"
	}
	return map[string]api.ServiceAddress{key: {Address: host, Port: port}}
}

// describe puts what Consul has no field for into metadata, and labels that do not
// fit there into tags.
func describe(def *api.AgentServiceRegistration, ep discovery.Endpoint) error {
	own := map[string]string{
		MetaVersion: ep.EffectiveVersion(), MetaNamespace: ep.Namespace,
		MetaServiceAccount: ep.ServiceAccount, MetaLocality: ep.Locality.String(),
	}
	if ep.Draining {
		own[MetaDraining] = "true"
	}
	for key, value := range ep.Metadata {
		own[MetaMetadata+key] = value
	}
	for _, p := range ep.Ports {
		key := MetaPort + p.Name
		if p.Name == "" {
			key = MetaPort + strconv.Itoa(int(p.Number))
		}
		if _, taken := own[key]; taken {
			return fmt.Errorf("two ports are named %q; give each a name", strings.TrimPrefix(key, MetaPort))
		}
		own[key] = formatPort(p)
	}
	for key, value := range own {
		if value == "" {
			continue
		}
		if !fitsMeta(key, value) {
			return fmt.Errorf("%q is nothing that Consul's metadata can hold", brief(key+"="+value))
		}
		def.Meta[key] = value
	}
	for _, key := range slices.Sorted(maps.Keys(ep.Labels)) {
		if err := label(def, key, ep.Labels[key]); err != nil {
			return err
		}
	}
	if len(def.Meta) > maxMetaPairs {
		return fmt.Errorf("there are %d pairs of metadata; Consul takes at most %d", len(def.Meta), maxMetaPairs)
	}
	return nil
}

// label puts a label into metadata, or into a tag where it does not fit.
func label(def *api.AgentServiceRegistration, key, value string) error {
	switch {
	case key == MetaVersion && def.Meta[MetaVersion] == value:
	case reservedMeta(key):
		return fmt.Errorf("label %q has a meaning of its own in Consul's metadata; use the field it stands for", key)
	case fitsMeta(key, value):
		def.Meta[key] = value
	case key == "" || strings.Contains(key, "="):
		return fmt.Errorf("label %q cannot be told from its value in a tag", key)
	default:
		def.Tags = append(def.Tags, key+"="+value)
	}
	return nil
}

func reservedMeta(key string) bool {
	return slices.Contains([]string{MetaNamespace, MetaServiceAccount, MetaLocality, MetaDraining}, key) ||
		strings.HasPrefix(key, MetaPort) || strings.HasPrefix(key, MetaMetadata)
}

// fitsMeta reports whether Consul takes the pair as metadata. What begins with
// "consul-" is its own.
func fitsMeta(key, value string) bool {
	if key == "" || len(key) > maxMetaKey || len(value) > maxMetaValue || strings.HasPrefix(key, "consul-") {
		return false
	}
	return !strings.ContainsFunc(key, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
