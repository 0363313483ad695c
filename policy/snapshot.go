// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Snapshot is one load of policy, compiled. It is never written again; a reload
// makes another.
type Snapshot struct {
	Version   string     // a hash of the files' names and contents
	Documents []Document // every one that was read, in the order of the files
	Findings  []Finding  // on every field that the documents set, in that order
	Services  []*Service // the VirtualServices in force, in the order they go before one another

	// Destinations is the merged DestinationRules in force, by host and namespace.
	Destinations []*Destination

	// Entries is the hosts of ServiceEntries in force, in the order they go before one
	// another.
	Entries []*Entry

	// Inbound is what holds for the calls that this process serves.
	Inbound Inbound

	// Security is who may make them, and how it is known who does.
	Security Security

	services     map[string]*Service
	wildServices []wildcard[*Service]
	entries      map[string]*Entry
	wildEntries  []wildcard[*Entry]
	tables       map[string]*table // of destinations, by namespace
	outbound     map[scopeOfKind]*ownTable
	search       []string // namespaces to search first
	last         []string // namespaces to search last
	foreign      []string // namespaces to search for names outside the mesh
	domain       string
	files        []File    // what it was made of
	loader       Loader    // for whom
	read         *readOnce // that, for For
	selects      []string  // see LabelKeys
	wholes       []Finding // on fields whose parts have findings, see FindingsFor
}

// Document is one object that was read.
type Document struct {
	Place
	Group     string // "networking.istio.io"
	Namespace string
}

// Notes is the findings that are not plainly enforced: what a program logs when it
// loads policy.
func (s *Snapshot) Notes() []Finding {
	var notes []Finding
	for _, f := range s.Findings {
		if f.Verdict != Enforced {
			notes = append(notes, f)
		}
	}
	return notes
}

// Service is the rules for calls to a service, by its key (see enmesh.Naming): those
// for that host, else those for the longest wildcard that holds it, else nil.
func (s *Snapshot) Service(key string) *Service {
	if svc, ok := s.services[key]; ok {
		return svc
	}
	return longest(s.wildServices, key)
}

// Destination is the policy for a service, by its key, or nil. Istio's search
// order: the process's namespace, the service's, the root; the first that has any
// rule for the host decides, an exact host before the longest wildcard. For a host
// outside the mesh every other namespace follows.
func (s *Snapshot) Destination(key string) *Destination {
	for _, ns := range s.searchOrder(key) {
		if d := s.tables[ns].find(key); d != nil {
			return d
		}
	}
	return nil
}

func (s *Snapshot) searchOrder(key string) []string {
	ns, ok := serviceNamespace(key, s.domain)
	order := slices.Clone(s.search)
	if ok {
		return append(append(order, ns), s.last...)
	}
	return append(append(order, s.last...), s.foreign...)
}

// serviceNamespace is the namespace in the key of a mesh service, a wildcard's
// included.
func serviceNamespace(key, domain string) (string, bool) {
	rest, ok := strings.CutSuffix(key, ".svc."+cmp.Or(domain, "cluster.local"))
	if !ok {
		return "", false
	}
	_, ns, ok := strings.Cut(rest, ".")
	return ns, ok
}

// wildcard is what a host such as "*.example.com" stands for.
type wildcard[T any] struct {
	suffix string // ".example.com"
	value  T
}

// longest is the value of the longest wildcard that holds key.
func longest[T any](sorted []wildcard[T], key string) T {
	for _, w := range sorted {
		if len(key) > len(w.suffix) && strings.HasSuffix(key, w.suffix) {
			return w.value
		}
	}
	var none T
	return none
}

func sortLongest[T any](list []wildcard[T]) {
	slices.SortStableFunc(list, func(a, b wildcard[T]) int { return cmp.Compare(len(b.suffix), len(a.suffix)) })
}

func (s *Snapshot) sortWildcards() {
	sortLongest(s.wildServices)
	sortLongest(s.wildEntries)
}
