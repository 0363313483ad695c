// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
)

// delegate is a VirtualService without hosts: rules that others take over.
type delegate struct {
	doc  *document
	spec *networking.VirtualService
	used bool
}

// delegates notes the VirtualServices without hosts, in the order they go before one
// another.
func (b *builder) delegates(ordered []*document) {
	b.parts = map[delegateName]*delegate{}
	for _, d := range ordered {
		spec, ok := d.spec.(*networking.VirtualService)
		if !ok || len(spec.GetHosts()) > 0 {
			continue
		}
		name := delegateName{d.namespace, d.name}
		if first, twice := b.parts[name]; twice {
			d.withoutEffect("spec", "without effect: rules that delegate to it get those of "+first.doc.title()+", which goes first")
			continue
		}
		b.parts[name] = &delegate{doc: d, spec: spec}
	}
}

// delegateName is how rules name a delegate.
type delegateName struct{ namespace, name string }

// unused says of the delegates that no rule took over that they do nothing.
func (b *builder) unused() {
	for _, p := range b.parts {
		if !p.used {
			p.doc.withoutEffect("spec", "a delegate, and no rule in force delegates to it: the document has no effect")
		}
	}
}

// part is a rule to be compiled, and where it stands.
type part struct {
	at      cursor
	rule    *networking.HTTPRoute
	name    string    // of a rule that has none
	above   cursor    // the rule that delegates to it; the zero cursor: none does
	matches []parents // of each match, where above is set
	left    *Left     // instead of all that: a rule that is left out; nil: none
}

// says reports whether an annotation of the rule's document, or of the one that delegates to
// it, is "true".
func (p part) says(annotation string) bool {
	return p.at.doc.own[annotation] == "true" || p.above.doc != nil && p.above.doc.own[annotation] == "true"
}

// origin is where a rule stands, and the rule that delegates to it, or "".
func (p part) origin() (own, above string) {
	if p.above.doc != nil {
		above = p.above.origin()
	}
	return p.at.origin(), above
}

// matchOrigin is where the i-th match of a rule stands: in the delegate, and above it
// after a comma where it was narrowed there.
func (p part) matchOrigin(i int) string {
	if p.above.doc == nil {
		return p.at.field("match").item(i).origin()
	}
	from := p.matches[i]
	switch {
	case from.above < 0:
		return p.at.field("match").item(from.own).origin()
	case from.own < 0:
		return p.above.field("match").item(from.above).origin()
	}
	return p.at.field("match").item(from.own).origin() + ", " + p.above.field("match").item(from.above).origin()
}

// expand is the i-th rule of a document, or in its place those that it delegates to, those
// included that are left out.
func (b *builder) expand(c cursor, r *networking.HTTPRoute, i int) []part {
	name := c.doc.name + "-" + strconv.Itoa(i)
	to := r.GetDelegate()
	if to == nil {
		return []part{{at: c, rule: r, name: name}}
	}
	at := c.field("delegate")
	whom := delegateName{cmp.Or(to.GetNamespace(), c.doc.namespace), to.GetName()}
	p := b.parts[whom]
	if p == nil {
		why := "VirtualService " + strconv.Quote(whom.name) + " without hosts in namespace " + whom.namespace + " is not loaded"
		at.note(Warned, why+": the rule is left out, as in Istio, and its calls go on to the next")
		return []part{{left: &Left{Name: cmp.Or(r.GetName(), name), Origin: c.origin(), Why: why}}}
	}
	if !exported(p.spec.GetExportTo(), p.doc.namespace, c.doc.namespace) {
		why := p.doc.title() + " is not exported to namespace " + c.doc.namespace
		at.note(Warned, why+": the rule is left out, and its calls go on to the next")
		return []part{{left: &Left{Name: cmp.Or(r.GetName(), name), Origin: c.origin(), Why: why}}}
	}
	p.used = true
	root := b.settled(c.doc, r)
	var out []part
	for j, own := range p.spec.GetHttp() {
		leaf := cursor{p.doc, "spec.http"}.item(j)
		merged, from, conflict := inherit(root, own)
		leafName := name + "-" + strconv.Itoa(j)
		if conflict >= 0 {
			why := "no match of the rule that delegates here (" + c.origin() + ") holds all that this one does"
			leaf.field("match").item(conflict).note(Warned, why+": the rule is left out there, as in Istio")
			out = append(out, part{left: &Left{Name: leafName, Origin: leaf.origin(), Why: why}})
			continue
		}
		out = append(out, part{at: leaf, rule: merged, name: leafName, above: c, matches: from})
	}
	return out
}

// exported reports whether a document in one namespace is for those in another.
func exported(to []string, own, other string) bool {
	return len(to) == 0 || slices.Contains(to, "*") || slices.Contains(to, other) || own == other && slices.Contains(to, ".")
}

// settled is a rule whose mirrors are named in full, since a delegate in another
// namespace would read them otherwise.
func (b *builder) settled(d *document, r *networking.HTTPRoute) *networking.HTTPRoute {
	if r.GetMirror() == nil && len(r.GetMirrors()) == 0 {
		return r
	}
	out := copied(r)
	if m := out.GetMirror(); m != nil {
		m.Host = b.key(d, m.GetHost())
	}
	for _, m := range out.GetMirrors() {
		if to := m.GetDestination(); to != nil {
			to.Host = b.key(d, to.GetHost())
		}
	}
	return out
}

func copied(r *networking.HTTPRoute) *networking.HTTPRoute {
	out, _ := proto.Clone(r).(*networking.HTTPRoute) // a clone is of the same type
	return out
}

// inherit is the rule of a delegate as it is in force below a rule that delegates to
// it: its matches are narrowed by those above, what it says itself holds, and what it
// leaves open is as above. conflict is the first of its matches that none above has
// room for, else -1.
func inherit(root, leaf *networking.HTTPRoute) (_ *networking.HTTPRoute, from []parents, conflict int) {
	matches, from, conflict := narrow(root.GetMatch(), leaf.GetMatch())
	if conflict >= 0 {
		return nil, nil, conflict
	}
	out := copied(leaf)
	out.Match, out.Name = matches, joined(root.GetName(), leaf.GetName())
	fill(&out.Timeout, root.GetTimeout())
	fill(&out.Retries, root.GetRetries())
	fill(&out.CorsPolicy, root.GetCorsPolicy())
	fill(&out.Headers, root.GetHeaders())
	if len(out.GetRoute()) == 0 {
		return out, from, -1
	}
	fill(&out.Rewrite, root.GetRewrite())
	fill(&out.Fault, root.GetFault())
	if out.GetMirror() == nil && len(out.GetMirrors()) == 0 {
		out.Mirror, out.Mirrors = root.GetMirror(), root.GetMirrors()
	}
	fill(&out.MirrorPercent, root.GetMirrorPercent()) //nolint:staticcheck // deprecated and still read
	fill(&out.MirrorPercentage, root.GetMirrorPercentage())
	return out, from, -1
}

// fill sets what is not set.
func fill[T any](own **T, above *T) {
	if *own == nil {
		*own = above
	}
}

// joined is two names with a dash between, or the one that there is.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "-" + b
}
