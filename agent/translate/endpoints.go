// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointpb "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// assignment is what the endpoints of a cluster depend on, beside the instances.
type assignment struct {
	name     string            // of the cluster
	port     uint16            // of the service
	labels   map[string]string // of the subset
	locality balance.LocalityConfig
	none     bool // there are to be none: the cluster is refused
}

// endpoints is the instances of a cluster, in gRPC's form, and how many had no address
// that it can use.
func (a *assignment) endpoints(set []discovery.Endpoint) (out *endpointpb.ClusterLoadAssignment, unusable int) {
	out = &endpointpb.ClusterLoadAssignment{ClusterName: a.name}
	if a.none {
		return out, 0
	}
	list, unusable := a.usable(set)
	for priority, parts := range a.tiers(list) {
		out.Endpoints = append(out.Endpoints, localitiesOf(uint32(priority), parts)...)
	}
	return out, unusable
}

// instance is one endpoint with the addresses that are its own.
type instance struct {
	*discovery.Endpoint
	addrs []netip.AddrPort
}

// doubted reports whether the registry does not stand by an instance: it does not name it any
// more, or its checks fail.
func doubted(e *discovery.Endpoint) bool { return e.Unconfirmed || e.Unhealthy }

// usable is the instances of the subset that take calls, those that the registry stands
// by first. An address counts where it stands first.
func (a *assignment) usable(set []discovery.Endpoint) (list []instance, unusable int) {
	seen := make(map[netip.AddrPort]bool, len(set))
	for _, last := range []bool{false, true} {
		for i := range set {
			e := &set[i]
			if e.Draining && !e.Unhealthy || doubted(e) != last || !holds(e.Labels, a.labels) {
				continue
			}
			given, ok := e.Address(a.port, "grpc")
			addrs, repeated := distinct(given, seen)
			switch {
			case len(addrs) > 0:
				list = append(list, instance{e, addrs})
			case !ok || !repeated:
				unusable++
			}
		}
	}
	return list, unusable
}

// distinct is the addresses that are numbers and that nobody has yet; repeated says that
// somebody has one.
func distinct(given []string, seen map[netip.AddrPort]bool) (addrs []netip.AddrPort, repeated bool) {
	for _, s := range given {
		a, err := netip.ParseAddrPort(s)
		if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
			continue
		}
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if seen[a] {
			repeated = true
			continue
		}
		seen[a] = true
		addrs = append(addrs, a)
	}
	return addrs, repeated
}

// part is the instances of one locality in one priority.
type part struct {
	at     discovery.Locality
	target int     // of distribute
	share  float64 // of the target, in percent; 0: by weight
	load   float64 // of the tier, where several are one priority
	list   []instance
}

// weigh is the weight of all instances together.
func (p *part) weigh() float64 {
	sum := float64(0)
	for _, e := range p.list {
		sum += float64(e.EffectiveWeight())
	}
	return sum
}

// overprovisioned is by how much the healthy part of a tier counts, as in Envoy: so much of
// a tier may be missing before load leaves it.
const overprovisioned = 1.4

// tiers sorts instances into priorities, each divided into localities. A tier in which the
// registry doubts so many that the others cannot carry the load shares its priority with the
// next, by weight: gRPC itself goes on only when nothing is left. Doubted instances stand
// last of all.
func (a *assignment) tiers(list []instance) [][]part {
	infos := make([]discovery.Endpoint, len(list))
	for i := range list {
		infos[i] = *list[i].Endpoint
	}
	var tiers [][]part
	var last []part
	sizes, healthy := map[int]int{}, map[int]int{}
	for i, p := range a.locality.Places(infos) {
		if p.Tier < 0 {
			continue
		}
		sizes[p.Tier]++
		if doubted(list[i].Endpoint) {
			last = add(last, list[i], p)
			continue
		}
		healthy[p.Tier]++
		for len(tiers) <= p.Tier {
			tiers = append(tiers, nil)
		}
		tiers[p.Tier] = add(tiers[p.Tier], list[i], p)
	}
	out := shared(tiers, func(tier int) float64 {
		return min(1, overprovisioned*float64(healthy[tier])/float64(max(1, sizes[tier])))
	})
	if len(last) > 0 {
		spread(last, 1)
		out = append(out, last)
	}
	return out
}

func add(parts []part, e instance, p balance.Place) []part {
	at := valid(e.Locality)
	i := slices.IndexFunc(parts, func(o part) bool { return o.at == at })
	if i < 0 {
		i = len(parts)
		parts = append(parts, part{at: at, target: p.Target, share: float64(p.Share), load: 1})
	}
	parts[i].list = append(parts[i].list, e)
	return parts
}

// shared makes priorities of tiers: the first is those that carry the load together, as
// far as their health goes, and each of the others stands by. Empty tiers are left out.
func shared(tiers [][]part, health func(tier int) float64) [][]part {
	var out [][]part
	left := 1.0 // of the load
	for i, parts := range tiers {
		if len(parts) == 0 {
			continue
		}
		carries := min(left, health(i))
		if len(out) > 0 && left < 1e-9 {
			carries = 1
			out = append(out, nil)
		} else if len(out) == 0 {
			out = append(out, nil)
		}
		spread(parts, carries)
		out[len(out)-1] = merged(out[len(out)-1], parts)
		left -= carries
	}
	return out
}

// spread divides a load over parts by the weight of their instances.
func spread(parts []part, load float64) {
	sum := float64(0)
	for i := range parts {
		sum += parts[i].weigh()
	}
	for i := range parts {
		parts[i].load = load * parts[i].weigh() / sum
	}
}

// merged are two lists of parts in one priority, where a locality stands once.
func merged(a, b []part) []part {
	for _, p := range b {
		if i := slices.IndexFunc(a, func(o part) bool { return o.at == p.at }); i >= 0 {
			a[i].list, a[i].load = append(a[i].list, p.list...), a[i].load+p.load
			continue
		}
		a = append(a, p)
	}
	return a
}

// scale is how fine shares of load are told.
const scale = 1_000_000

// localitiesOf is one priority. Weights of localities are always said, since gRPC leaves
// out those without.
func localitiesOf(priority uint32, parts []part) []*endpointpb.LocalityLbEndpoints {
	targets := map[int]float64{}
	for i := range parts {
		targets[parts[i].target] += parts[i].weigh()
	}
	weights := make([]uint64, len(parts))
	for i := range parts {
		p := &parts[i]
		if p.share > 0 {
			weights[i] = uint64(scale * p.share * p.weigh() / targets[p.target])
		} else {
			weights[i] = uint64(scale * p.load)
		}
	}
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return compareLocality(parts[i].at, parts[j].at) })
	fit := scaled(weights)
	var out []*endpointpb.LocalityLbEndpoints
	for _, i := range order {
		out = append(out, &endpointpb.LocalityLbEndpoints{
			Locality: localityOf(parts[i].at), Priority: priority,
			LoadBalancingWeight: wrapperspb.UInt32(fit[i]), LbEndpoints: instances(parts[i].list),
		})
	}
	return out
}

func compareLocality(a, b discovery.Locality) int {
	return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.SubZone, b.SubZone))
}

func localityOf(l discovery.Locality) *corepb.Locality {
	return &corepb.Locality{Region: l.Region, Zone: l.Zone, SubZone: l.SubZone}
}

// valid is a locality as it can be encoded.
func valid(l discovery.Locality) discovery.Locality {
	clean := func(s string) string { return strings.ToValidUTF8(s, "?") }
	return discovery.Locality{Region: clean(l.Region), Zone: clean(l.Zone), SubZone: clean(l.SubZone)}
}

// instances are in the order of their addresses, so that equal sets are encoded alike.
func instances(list []instance) []*endpointpb.LbEndpoint {
	slices.SortFunc(list, func(a, b instance) int { return a.addrs[0].Compare(b.addrs[0]) })
	weights := make([]uint64, len(list))
	for i := range list {
		weights[i] = uint64(list[i].EffectiveWeight())
	}
	out := make([]*endpointpb.LbEndpoint, len(list))
	for i, w := range scaled(weights) {
		e := &endpointpb.Endpoint{Address: addressOf(list[i].addrs[0])}
		for _, more := range list[i].addrs[1:] {
			e.AdditionalAddresses = append(e.AdditionalAddresses, &endpointpb.Endpoint_AdditionalAddress{Address: addressOf(more)})
		}
		out[i] = &endpointpb.LbEndpoint{
			HostIdentifier:      &endpointpb.LbEndpoint_Endpoint{Endpoint: e},
			HealthStatus:        corepb.HealthStatus_HEALTHY,
			LoadBalancingWeight: wrapperspb.UInt32(w),
		}
	}
	return out
}

func addressOf(a netip.AddrPort) *corepb.Address {
	return &corepb.Address{Address: &corepb.Address_SocketAddress{SocketAddress: &corepb.SocketAddress{
		Address: a.Addr().String(), PortSpecifier: &corepb.SocketAddress_PortValue{PortValue: uint32(a.Port())},
	}}}
}
