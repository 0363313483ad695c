// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/discovery"
)

// resolutions is Istio's, in ours.
var resolutions = map[networking.ServiceEntry_Resolution]Resolution{
	networking.ServiceEntry_NONE:            PassThrough,
	networking.ServiceEntry_STATIC:          Static,
	networking.ServiceEntry_DNS:             DNS,
	networking.ServiceEntry_DNS_ROUND_ROBIN: DNSRoundRobin,
	networking.ServiceEntry_DYNAMIC_DNS:     DynamicDNS,
}

// addEntries compiles the ServiceEntries that this process sees. Those of its own
// namespace go before the others.
func (b *builder) addEntries(ordered []*document) {
	var entries, workloads []*document
	for _, d := range ordered {
		switch spec := d.spec.(type) {
		case *networking.ServiceEntry:
			if b.visible(d, spec.GetExportTo()) {
				entries = append(entries, d)
			}
		case *networking.WorkloadEntry:
			workloads = append(workloads, d)
		}
	}
	slices.SortStableFunc(entries, func(x, y *document) int {
		return cmp.Compare(b.foreign(x), b.foreign(y))
	})
	selected := map[*document]bool{}
	for _, d := range entries {
		se, _ := d.spec.(*networking.ServiceEntry)
		b.addEntry(d, se, b.endpointsOf(d, se, workloads, selected))
	}
	for _, d := range workloads {
		if !selected[d] {
			d.withoutEffect("spec", "no ServiceEntry in force selects it: the document has no effect")
		}
	}
}

// foreign is 1 for a document of another namespace.
func (b *builder) foreign(d *document) int {
	if d.namespace == b.Namespace {
		return 0
	}
	return 1
}

// endpointsOf is a ServiceEntry's own endpoints, or those of the workloads it selects, all
// of which stand in its namespace.
func (b *builder) endpointsOf(d *document, se *networking.ServiceEntry, workloads []*document, selected map[*document]bool) []discovery.Endpoint {
	own := se.GetEndpoints()
	if se.GetResolution() == networking.ServiceEntry_DYNAMIC_DNS {
		return nil
	}
	if wanted := se.GetWorkloadSelector(); wanted != nil {
		for _, w := range workloads {
			spec, _ := w.spec.(*networking.WorkloadEntry)
			if w.namespace == d.namespace && holds(spec.GetLabels(), wanted.GetLabels()) {
				own, selected[w] = append(own, spec), true
			}
		}
		if len(own) == 0 {
			d.revise("spec.workloadSelector", Warned, "it selects no WorkloadEntry that is loaded, and pods are not known: calls to the hosts fail")
		}
	}
	if own == nil && se.GetWorkloadSelector() == nil {
		return nil
	}
	out := []discovery.Endpoint{}
	for _, e := range own {
		if e.GetAddress() == "" || strings.HasPrefix(e.GetAddress(), unixScheme) ||
			se.GetResolution() == networking.ServiceEntry_STATIC && !isAddress(e.GetAddress()) {
			continue // each has its finding
		}
		out = append(out, endpointOf(d.namespace, e, se))
	}
	return out
}

// endpointOf is one endpoint of a ServiceEntry.
func endpointOf(namespace string, e *networking.WorkloadEntry, se *networking.ServiceEntry) discovery.Endpoint {
	out := discovery.Endpoint{
		Addrs: []string{lookupName(e.GetAddress())}, Weight: e.GetWeight(), Labels: maps.Clone(e.GetLabels()),
		ServiceAccount: e.GetServiceAccount(), Namespace: namespace,
	}
	place := e.GetLocality()
	if place == "" { // Istio's label for it, with dots for the slashes that labels may not have
		place = strings.ReplaceAll(e.GetLabels()["istio-locality"], ".", "/")
	}
	parts := append(strings.SplitN(place, "/", 3), "", "")
	out.Locality = discovery.Locality{Region: parts[0], Zone: parts[1], SubZone: parts[2]}
	out.Ports = servicePorts(se)
	for i := range out.Ports {
		if at, ok := e.GetPorts()[out.Ports[i].Name]; ok {
			out.Ports[i].Target = uint16(min(at, 65535))
		}
	}
	return out
}

// servicePorts is the ports of a ServiceEntry.
func servicePorts(se *networking.ServiceEntry) []discovery.Port {
	ports := make([]discovery.Port, 0, len(se.GetPorts()))
	for _, p := range se.GetPorts() {
		protocol := strings.ToLower(p.GetProtocol())
		made := discovery.Port{Name: p.GetName(), Number: uint16(min(p.GetNumber(), 65535)), Target: uint16(min(p.GetTargetPort(), 65535))}
		if se.GetResolution() == networking.ServiceEntry_NONE {
			made.Target = 0 // it is the port that is called
		}
		if made.Protocol = portProtocols[protocol]; made.Protocol == "" {
			made.Protocol = protocol
		}
		ports = append(ports, made)
	}
	return ports
}

// lookupName is a host as DNS is asked for it.
func lookupName(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// addEntry puts the hosts of a ServiceEntry in force that no document before it has.
func (b *builder) addEntry(d *document, se *networking.ServiceEntry, endpoints []discovery.Endpoint) {
	s := b.snapshot
	if s.entries == nil {
		s.entries = map[string]*Entry{}
	}
	for i, host := range se.GetHosts() {
		at := cursor{d, "spec.hosts"}.item(i)
		key := b.key(d, host)
		if other := s.entries[key]; other != nil {
			at.note(Warned, "without effect for host "+strconv.Quote(host)+": it is described by "+other.Document+" ("+other.Origin+"), which goes first")
			continue
		}
		if key != lookupName(host) {
			at.note(Warned, "a short name, which is read as "+key+"; write that, or a name with dots")
		}
		e := &Entry{
			Host: key, Name: lookupName(host), Document: d.path(), Origin: at.origin(), Namespace: d.namespace,
			External:   se.GetLocation() == networking.ServiceEntry_MESH_EXTERNAL,
			Resolution: resolutions[se.GetResolution()], Ports: servicePorts(se), Endpoints: endpoints,
			SubjectAltNames: MakeNames(se.GetSubjectAltNames()),
		}
		s.entries[key] = e
		s.Entries = append(s.Entries, e)
		if suffix, wild := strings.CutPrefix(key, "*"); wild {
			s.wildEntries = append(s.wildEntries, wildcard[*Entry]{suffix, e})
		}
	}
}
