// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
)

// Resolution is how the addresses of a ServiceEntry's host are found.
type Resolution uint8

// The resolutions. PassThrough (Istio's NONE) connects to the name that is called.
const (
	PassThrough   Resolution = iota
	Static                   // the addresses are in the document
	DNS                      // all addresses that DNS has
	DNSRoundRobin            // one of them at a time
	DynamicDNS               // those of the name that is called, of a wildcard's
)

// String is Istio's name.
func (r Resolution) String() string {
	return [...]string{"NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"}[r%5]
}

// Entry is what a ServiceEntry says of one of its hosts: a service beside those that the
// registry knows. Package entries finds its endpoints.
type Entry struct {
	Host       string // its key; a wildcard such as "*.example.com" may be
	Name       string // as it is looked up in DNS: lower case, without a dot at the end
	Document   string // "ServiceEntry default/github"
	Origin     string // file:line of the host
	Namespace  string // of the document
	External   bool   // location MESH_EXTERNAL: not in the mesh, no mutual TLS unless a DestinationRule says so
	Resolution Resolution
	Ports      []discovery.Port // of the service; Target is the targetPort
	// Endpoints have one address each, without a port, and their own Ports; where the
	// Resolution is DNS the address may be a name. nil: the host itself is resolved.
	Endpoints       []discovery.Endpoint
	SubjectAltNames Names // of which whoever answers must have one; empty: nothing is said
}

// Equal reports whether calls to a host of e and to one of o go the same way.
func (e *Entry) Equal(o *Entry) bool {
	if e == nil || o == nil {
		return e == o
	}
	return e.Host == o.Host && e.Name == o.Name && e.External == o.External && e.Resolution == o.Resolution &&
		e.SubjectAltNames == o.SubjectAltNames && slices.Equal(e.Ports, o.Ports) &&
		(e.Endpoints == nil) == (o.Endpoints == nil) &&
		slices.EqualFunc(e.Endpoints, o.Endpoints, discovery.Endpoint.Equal)
}

// HasPort reports whether calls may be made to a port of the service.
func (e *Entry) HasPort(number uint16) bool {
	return slices.ContainsFunc(e.Ports, func(p discovery.Port) bool { return p.Number == number })
}

// Entry is the ServiceEntry in force for a host, by its key, or nil: an exact host goes
// before the longest wildcard. A wildcard outside of the mesh's domain holds no service of
// the mesh, so that "*.local" leaves the registry its own.
func (s *Snapshot) Entry(key string) *Entry {
	if e, ok := s.entries[key]; ok {
		return e
	}
	_, inside := serviceNamespace(key, s.domain)
	for _, w := range s.wildEntries {
		if len(key) > len(w.suffix) && strings.HasSuffix(key, w.suffix) {
			if _, own := serviceNamespace("*"+w.suffix, s.domain); own || !inside {
				return w.value
			}
		}
	}
	return nil
}

// TLS is how connections to a destination are secured: as DestinationRules say, with what
// the ServiceEntry adds. A host outside of the mesh is not called with automatic mutual
// TLS, and its subjectAltNames hold where no DestinationRule has any.
func (s *Snapshot) TLS(d enmesh.Destination) TLS {
	t := s.Destination(d.Service).Traffic(d.Subset, d.Port).TLS
	return t.at(s.Entry(d.Service))
}

// at is t for the host of an entry, which may be nil.
func (t TLS) at(e *Entry) TLS {
	if e == nil {
		return t
	}
	if e.External && t.Mode == TLSAuto {
		t.Mode = TLSDisable
	}
	if t.SubjectAltNames == "" && t.Mode != TLSDisable {
		t.SubjectAltNames = e.SubjectAltNames
	}
	return t
}
