// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ownGroup is the group of the kinds that say what Istio's API has no field for.
const ownGroup = "enmesh.dev"

// ownVersion is the one version of them.
const ownVersion = "v1"

// Own is what a policy of one of enmesh's own kinds says beside what it does.
type Own struct {
	Document string // "RateLimit shop/reviews"
	Origin   string // file:line
	Shadow   bool   // it does nothing, and is counted as if it did
}

// String is the document, where it is, and that it is in shadow.
func (o *Own) String() string {
	s := o.Document + " " + o.Origin
	if o.Shadow {
		s += " (shadow)"
	}
	return s
}

// ownSpec is the spec of a document of an own kind, as it is decoded.
type ownSpec interface {
	// attached is what the policy is for.
	attached() attachment
	// check holds the rules for its values.
	check(c cursor)
	// compile makes the policy of it. What it refuses, it refuses through c.
	compile(b *builder, c cursor, own Own) any
}

// attachment is what a policy is for: calls to a host, or servers that a selector
// selects.
type attachment struct {
	server   bool
	host     string
	selector *selectorSpec
}

// selectorSpec selects servers by their labels.
type selectorSpec struct {
	MatchLabels map[string]string
}

func (s *selectorSpec) labels() map[string]string {
	if s == nil {
		return nil
	}
	return s.MatchLabels
}

// clientSpec is the attachment of kinds that are for clients.
type clientSpec struct {
	Host   string
	Shadow bool
}

func (s *clientSpec) attached() attachment { return attachment{host: s.Host} }
func (s *clientSpec) inShadow() bool       { return s.Shadow }

// serverSpec is the attachment of kinds that are for servers.
type serverSpec struct {
	Selector *selectorSpec
	Shadow   bool
}

func (s *serverSpec) attached() attachment { return attachment{server: true, selector: s.Selector} }
func (s *serverSpec) inShadow() bool       { return s.Shadow }

// eitherSpec is the attachment of kinds that are for clients, with a host, and for
// servers, without.
type eitherSpec struct {
	Host     string
	Selector *selectorSpec
	Shadow   bool
}

func (s *eitherSpec) attached() attachment {
	return attachment{server: s.Host == "", host: s.Host, selector: s.Selector}
}
func (s *eitherSpec) inShadow() bool { return s.Shadow }

// The own kinds.
const (
	rateLimit        = "RateLimit"
	concurrencyLimit = "ConcurrencyLimit"
	retryBudget      = "RetryBudget"
	hedgeKind        = "Hedge"
	shedKind         = "Shed"
	fallbackKind     = "Fallback"
	circuitBreaker   = "CircuitBreaker"
	throttleKind     = "Throttle"
)

// ownKinds makes an empty spec of each own kind.
var ownKinds = map[string]func() ownSpec{
	rateLimit:        func() ownSpec { return &rateLimitSpec{} },
	concurrencyLimit: func() ownSpec { return &concurrencyLimitSpec{} },
	retryBudget:      func() ownSpec { return &retryBudgetSpec{} },
	hedgeKind:        func() ownSpec { return &hedgeSpec{} },
	shedKind:         func() ownSpec { return &shedSpec{} },
	fallbackKind:     func() ownSpec { return &fallbackSpec{} },
	circuitBreaker:   func() ownSpec { return &circuitBreakerSpec{} },
	throttleKind:     func() ownSpec { return &throttleSpec{} },
}

func ownKindNames() []string { return slices.Sorted(maps.Keys(ownKinds)) }

// checkOwn holds the rules for a document of an own kind.
func checkOwn(c cursor, spec ownSpec) {
	to := spec.attached()
	switch {
	case to.server:
		if to.selector != nil && len(to.selector.MatchLabels) == 0 {
			c.field("selector").refuse("the selector selects nothing: add matchLabels, or leave it out for all of the namespace")
		}
		checkLabels(c.field("selector").field("matchLabels"), to.selector.labels())
	default:
		if to.selector != nil {
			c.field("selector").refuse("host is set too, and only one of them may be: host is for calls to a service, selector for servers")
		}
		checkHost(c.field("host"), to.host)
	}
	spec.check(c)
}

// addOwn takes in one document of an own kind, in the order they go before one another.
func (b *builder) addOwn(d *document) {
	if len(d.broken) > 0 {
		return // refused: nothing will be made of the load
	}
	c := cursor{d, "spec"}
	to := d.ownSpec.attached()
	if to.server && !b.serves(d, to) {
		return
	}
	shadow, _ := d.ownSpec.(interface{ inShadow() bool })
	made := d.ownSpec.compile(b, c, Own{d.path(), d.origin(), shadow.inShadow()})
	switch {
	case made == nil: // refused
	case to.server:
		b.addInbound(d, to, made)
	default:
		b.addOutbound(d, to.host, made)
	}
}

// serves reports whether a selector is for this process.
func (b *builder) serves(d *document, to attachment) bool {
	switch {
	case d.namespace != b.Namespace && d.namespace != b.RootNamespace:
		d.withoutEffect("metadata.namespace", "for servers in namespace "+d.namespace+", and this process is in "+b.Namespace+": the document has no effect")
	case !holds(b.Labels, to.selector.labels()):
		d.withoutEffect("spec.selector", "this process has not these labels: the document has no effect")
	default:
		return true
	}
	return false
}

// held is a policy in its place, and the document it is from.
type held struct {
	from *document
	made any
	rank int // of a server's: the higher goes first
}

// addInbound puts a server's policy in its place. As of Istio's PeerAuthentication, the
// more specific goes first: one with a selector before one without, and both before those
// of the root namespace.
func (b *builder) addInbound(d *document, to attachment, made any) {
	rank := 0
	if d.namespace == b.Namespace {
		rank += 2
	}
	if to.selector != nil {
		rank++
	}
	before, taken := b.inbound[d.kind]
	switch {
	case !taken:
	case before.rank < rank:
		before.from.withoutEffect("spec", "this process has its "+d.kind+" from "+d.title()+", which is for fewer servers: the document has no effect")
	case before.rank > rank:
		d.withoutEffect("spec", "this process has its "+d.kind+" from "+before.from.title()+", which is for fewer servers: the document has no effect")
		return
	default:
		d.eclipsed("spec", "this process has its "+d.kind+" from "+before.from.title()+", which goes first; put them together")
		return
	}
	if b.inbound == nil {
		b.inbound = map[string]held{}
	}
	b.inbound[d.kind] = held{d, made, rank}
}

// addOutbound puts a client's policy in its place.
func (b *builder) addOutbound(d *document, host string, made any) {
	s, key := b.snapshot, b.key(d, host)
	if s.outbound == nil {
		s.outbound = map[scopeOfKind]*ownTable{}
	}
	at := scopeOfKind{d.kind, d.namespace}
	t := s.outbound[at]
	if t == nil {
		t = &ownTable{exact: map[string]held{}}
		s.outbound[at] = t
	}
	if before, taken := t.exact[key]; taken {
		d.eclipsed("spec.host", "host "+strconv.Quote(host)+" has its "+d.kind+" from "+before.from.title()+", which goes first; put them together")
		return
	}
	b.unsought(d, key)
	t.exact[key] = held{from: d, made: made}
	if suffix, ok := strings.CutPrefix(key, "*"); ok {
		t.wild = append(t.wild, wildcard[any]{suffix, made})
		sortLongest(t.wild)
	}
}

// unsought says of a document that nobody looks for it: it is in the namespace neither of
// the process, nor of the host, nor of the whole mesh.
func (b *builder) unsought(d *document, key string) {
	ns, ok := serviceNamespace(key, b.Domain)
	if ok && ns != "*" && !slices.Contains([]string{b.Namespace, ns, b.RootNamespace}, d.namespace) {
		d.note("spec.host", Warned, "without effect: policies for "+key+" are looked for in the namespaces "+
			list([]string{b.Namespace, ns, b.RootNamespace})+", and this one is in "+d.namespace)
	}
}

// eclipsed replaces what was found by a warning: another document goes first.
func (d *document) eclipsed(path, why string) {
	d.findings, d.wholes = nil, nil
	d.note(path, Warned, "without effect: "+why)
}
