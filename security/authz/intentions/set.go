// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"fmt"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Set is the intentions for one destination, compiled. It is immutable.
type Set struct {
	service, trustDomain string
	allow                bool // by default
	prefix               string
	ordered              []*intention // highest precedence first
	exact                map[source]*intention
	wild                 []*intention // of any service of a namespace, or of all
	problems             []string
}

// source is a service that calls.
type source struct{ namespace, name string }

// intention is one of a Set.
type intention struct {
	source
	text        string // for people
	rank        int
	foreign     bool // of another partition, peer or sameness group: nobody here is that
	allow       bool
	permissions []permission // nil: of layer 4
	layer7      bool
	broken      bool // a permission is not understood: it denies
}

// compile makes a Set of what the agent says.
func compile(list []wireIntention, service, trustDomain string, allow bool) *Set {
	s := &Set{
		service: service, trustDomain: trustDomain, allow: allow,
		prefix: "spiffe://" + trustDomain + "/ns/", exact: map[source]*intention{},
	}
	for n, w := range list {
		i, err := compileIntention(&w)
		i.rank = n
		if err != nil {
			i.broken = true
			s.problems = append(s.problems, fmt.Sprintf("%s is taken for a denial: %v", i.text, err))
		}
		s.ordered = append(s.ordered, i)
		switch {
		case i.foreign:
		case i.name == "*":
			s.wild = append(s.wild, i)
		case s.exact[i.source] == nil:
			s.exact[i.source] = i
		}
	}
	return s
}

func compileIntention(w *wireIntention) (*intention, error) {
	i := &intention{source: source{w.SourceNS, w.SourceName}, layer7: len(w.Permissions) > 0}
	if i.namespace == "" {
		i.namespace = "default"
	}
	i.text = fmt.Sprintf("%s => %s (precedence %d)", i.name, w.DestinationName, w.Precedence)
	i.foreign = w.SourcePeer != "" || w.SourceSamenessGroup != "" || w.SourcePartition != "" && w.SourcePartition != "default"
	if w.SourceType != "" && w.SourceType != "consul" {
		return i, fmt.Errorf("the source is of the type %q", w.SourceType)
	}
	if !i.layer7 {
		var err error
		if i.allow, err = allows(w.Action); err == nil && i.allow && isSet(w.JWT) {
			err = errTokens
		}
		return i, err
	}
	if isSet(w.JWT) {
		return i, errTokens
	}
	for n, raw := range w.Permissions {
		p, err := compilePermission(raw)
		if err != nil {
			return i, fmt.Errorf("permission %d: %w", n+1, err)
		}
		i.permissions = append(i.permissions, p)
	}
	return i, nil
}

var errTokens = fmt.Errorf("it asks for a token (JWT), which is not looked at here")

// Decision is what a Set says of a call, and why.
type Decision struct {
	Allowed    bool
	Source     string // the caller's service; "" when it is none of this cluster
	Intention  string // "web => api (precedence 9)"; "": none speaks of the caller
	Permission int    // which of the intention's permissions decided, from 1; 0: none
	Reason     string
}

// Decide says whether a call is allowed. It allocates nothing unless a header's condition
// does.
func (s *Set) Decide(c *enmesh.Call) Decision {
	if c.Source == nil || c.Source.Identity == "" {
		return Decision{Reason: "the caller has no verified identity"}
	}
	from, ok := s.caller(c.Source.Identity)
	if !ok {
		return Decision{Reason: "the caller is no service of this Consul cluster"}
	}
	d := Decision{Source: from.name}
	i := s.find(from)
	if i == nil {
		d.Allowed, d.Reason = s.allow, "no intention speaks of the caller: by default"
		return d
	}
	d.Intention = i.text
	switch {
	case i.broken:
		d.Reason = "the intention is not understood"
	case !i.layer7:
		d.Allowed, d.Reason = i.allow, "by the intention"
	default:
		for n := range i.permissions {
			if p := &i.permissions[n]; p.matches(c) {
				d.Allowed, d.Permission, d.Reason = p.allow, n+1, "by the intention's permission"
				return d
			}
		}
		d.Allowed, d.Reason = s.allow, "none of the intention's permissions matches: by default"
	}
	return d
}

// caller is the service that an ID names, whole segment by whole segment. Its datacenter
// does not matter: Consul's intentions hold for the cluster.
func (s *Set) caller(identity string) (source, bool) {
	rest, ok := strings.CutPrefix(identity, s.prefix)
	if !ok {
		return source{}, false
	}
	var from source
	var dc string
	from.namespace, rest, ok = strings.Cut(rest, "/dc/")
	if !ok {
		return source{}, false
	}
	dc, from.name, ok = strings.Cut(rest, "/svc/")
	if !ok || !segment(from.namespace) || !segment(dc) || !segment(from.name) {
		return source{}, false
	}
	return from, true
}

func segment(s string) bool { return s != "" && s != "*" && strings.IndexByte(s, '/') < 0 }

// find is the intention of the highest precedence for a caller, or nil.
func (s *Set) find(from source) *intention {
	best := s.exact[from]
	for _, w := range s.wild {
		if w.namespace != "*" && w.namespace != from.namespace {
			continue
		}
		if best == nil || w.rank < best.rank {
			best = w
		}
		break
	}
	return best
}

// Service is the destination.
func (s *Set) Service() string { return s.service }

// TrustDomain is that of the Consul cluster.
func (s *Set) TrustDomain() string { return s.trustDomain }

// AllowByDefault reports what happens to callers that no intention speaks of.
func (s *Set) AllowByDefault() bool { return s.allow }

// Len is how many intentions there are.
func (s *Set) Len() int { return len(s.ordered) }

// Problems are the intentions that are taken for denials, and why. It is not to be written.
func (s *Set) Problems() []string { return s.problems }
