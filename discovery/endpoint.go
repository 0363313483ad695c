// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Endpoint is one host that can be picked, as a registry told it. It is a value;
// once a [Resolver] has yielded it, its slices and maps are shared and are not
// written.
type Endpoint struct {
	// Addrs are host:port, best first; several are one dual-stack host. Where
	// Ports are given, only the host part counts and the port may be missing.
	Addrs []string
	// Ports maps service ports to target ports. When empty, the port in Addrs
	// serves every service port.
	Ports    []Port
	Weight   uint32 // share among its peers; 0 means 1
	Priority uint32 // failover tier, 0 first
	Locality Locality
	Labels   map[string]string
	Version  string // "" means the label "version"
	// ServiceAccount and Namespace are whom its certificate names:
	// spiffe://<trust domain>/ns/<Namespace>/sa/<ServiceAccount>. "" is unknown.
	ServiceAccount, Namespace string
	Draining                  bool // finishes what it has and takes no new calls
	// Unconfirmed is set by a [Cache]: the registry names others and not this one any
	// more, and is not believed yet. A call that has failed elsewhere goes to it last.
	Unconfirmed bool
	// Unhealthy is set by a registry that is asked to tell of those, too, whom its checks
	// leave out. Such an endpoint is marked as Draining besides, so that nobody calls it: it
	// counts for how much of a tier is well.
	Unhealthy bool
	Metadata  map[string]string
}

// Address gives the addresses to dial for a service port and a protocol ("http",
// "http2", "grpc", "tcp", or "" for any), best first, and whether there are any.
//
// Without Ports these are Addrs as they stand. With Ports:
//   - a service port other than 0 is looked up by Number. The caller named it, so
//     it is used whatever protocol it is labelled with; where one Number is
//     listed for several protocols, the one that fits best is taken.
//   - service port 0 takes the only port, whatever it speaks; of several, the
//     first of the very protocol, else the first that carries it (see
//     [Port.Speaks]).
//
// With Ports it builds new strings: call it when a set changes, not for every
// call. The result may be Addrs itself and is not to be written.
func (e Endpoint) Address(servicePort uint16, protocol string) (addrs []string, ok bool) {
	if len(e.Ports) == 0 {
		return e.Addrs, len(e.Addrs) > 0
	}
	p, ok := choosePort(e.Ports, servicePort, protocol)
	if !ok || len(e.Addrs) == 0 {
		return nil, false
	}
	port := strconv.Itoa(int(p.target()))
	addrs = make([]string, len(e.Addrs))
	for i, a := range e.Addrs {
		addrs[i] = net.JoinHostPort(hostOf(a), port)
	}
	return addrs, true
}

// ServicePort is the number of the service port that Address chooses for calls that name
// none and speak protocol, and whether there is one: without Ports nobody says what it is.
func (e Endpoint) ServicePort(protocol string) (number uint16, ok bool) {
	p, ok := choosePort(e.Ports, 0, protocol)
	return p.Number, ok
}

// EffectiveWeight is Weight, or 1 when it is 0.
func (e Endpoint) EffectiveWeight() uint32 { return max(e.Weight, 1) }

// EffectiveVersion is Version, or the label "version" when it is "".
func (e Endpoint) EffectiveVersion() string {
	if e.Version != "" {
		return e.Version
	}
	return e.Labels["version"]
}

// Equal reports whether e and o say the same. The order of Addrs and of Ports
// counts, since it has a meaning; nil and empty maps are the same, and so are a
// weight of 0 and of 1.
func (e Endpoint) Equal(o Endpoint) bool {
	return slices.Equal(e.Addrs, o.Addrs) &&
		slices.Equal(e.Ports, o.Ports) &&
		e.EffectiveWeight() == o.EffectiveWeight() &&
		e.Priority == o.Priority &&
		e.Locality == o.Locality &&
		e.EffectiveVersion() == o.EffectiveVersion() &&
		e.ServiceAccount == o.ServiceAccount &&
		e.Namespace == o.Namespace &&
		e.Draining == o.Draining &&
		e.Unconfirmed == o.Unconfirmed &&
		e.Unhealthy == o.Unhealthy &&
		maps.Equal(e.Labels, o.Labels) &&
		maps.Equal(e.Metadata, o.Metadata)
}

// Clone is a copy that shares nothing with e.
func (e Endpoint) Clone() Endpoint {
	e.Addrs = slices.Clone(e.Addrs)
	e.Ports = slices.Clone(e.Ports)
	e.Labels = maps.Clone(e.Labels)
	e.Metadata = maps.Clone(e.Metadata)
	return e
}

// EqualSets reports whether a and b hold equal endpoints, each as often in one as
// in the other, in any order. It is linear in the size of sets whose addresses
// differ, and costs nothing but the comparison when the order is the same, even if one
// endpoint is not.
func EqualSets(a, b []Endpoint) bool {
	if len(a) != len(b) {
		return false
	}
	for len(a) > 0 && a[0].Equal(b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && a[len(a)-1].Equal(b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) < 2 { // what is left differs
		return len(a) == 0
	}
	byAddr := make(map[string][]int, len(a))
	for i := range a {
		key := strings.Join(a[i].Addrs, ",")
		byAddr[key] = append(byAddr[key], i)
	}
	for i := range b {
		key := strings.Join(b[i].Addrs, ",")
		at := slices.IndexFunc(byAddr[key], func(j int) bool { return a[j].Equal(b[i]) })
		if at < 0 {
			return false
		}
		byAddr[key] = slices.Delete(byAddr[key], at, at+1)
	}
	return true
}

// cloneSet copies a set deeply; the result is never nil.
func cloneSet(eps []Endpoint) []Endpoint {
	out := make([]Endpoint, len(eps))
	for i := range eps {
		out[i] = eps[i].Clone()
	}
	return out
}

// hostOf is the host part of host:port, or a itself when it has no port.
func hostOf(a string) string {
	if host, _, err := net.SplitHostPort(a); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(a, "["), "]")
}
