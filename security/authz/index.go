// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"net/netip"
	"strings"
)

// dim is an attribute that rules can be found by; name tells headers and claims apart.
type dim struct {
	attr attribute
	name string
}

// handle is what a rule is found by in a dimension.
type handle struct {
	form  form
	text  string
	block netip.Prefix
}

const within form = present + 1 // the address lies in block

// always finds a rule whenever the call has the attribute at all.
var always = handle{form: present}

// dim is the dimension in which calls that the atom matches are found, by its handles; ok
// is false when there is none.
func (a *atom) dim() (d dim, ok bool) {
	if a.negated {
		return d, false
	}
	switch a.attr {
	case destinationPort, destinationIP:
		return d, false
	case header:
		return dim{header, a.field.name}, true
	case claimed:
		return dim{claimed, strings.Join(a.claim.path, "\x00")}, true
	}
	return dim{attr: a.attr}, true
}

// handles are such that every call that the atom matches, in any way, is found by one.
func (a *atom) handles() []handle {
	var hs []handle
	switch a.attr {
	case serviceAccount:
		for _, one := range a.accounts {
			hs = append(hs, handle{form: exact, text: one.name})
		}
	case requestPrincipal:
		for _, one := range a.subjects {
			hs = append(hs, one.handle())
		}
	case sourceIP, remoteIP:
		for block := range a.blocks.of {
			hs = append(hs, handle{form: within, block: block})
		}
	case namespace:
		hs = handlesOf(a.namespaces.set.list)
		for range a.namespaces.globs {
			hs = append(hs, always)
		}
	case host:
		hs = handlesOf(a.hosts.any.list)
		for _, one := range a.hosts.ported {
			hs = append(hs, one.host.handle())
		}
	case header:
		for _, p := range a.set.list {
			if strings.Contains(p.text, ",") { // may match all lines joined
				hs = append(hs, always)
			} else {
				hs = append(hs, p.handle())
			}
		}
	default:
		hs = handlesOf(a.set.list)
		for _, t := range a.templates {
			hs = append(hs, handle{form: prefix, text: t.start()})
		}
	}
	return hs
}

func handlesOf(list []pattern) []handle {
	hs := make([]handle, len(list))
	for i, p := range list {
		hs[i] = p.handle()
	}
	return hs
}

func (p pattern) handle() handle { return handle{form: p.form, text: p.text} }

func (s *subject) handle() handle {
	if s.whole.form != exact {
		return always
	}
	return handle{form: exact, text: lastSegment(s.whole.text)}
}

// lastSegment is what follows the last slash.
func lastSegment(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// dimension finds rules by one attribute.
type dimension struct {
	dim
	field *field // of a header
	claim *claim // of a claim

	exact    map[string][]int32
	prefixes affixes[[]int32]
	suffixes affixes[[]int32]
	blocks   blocks[[]int32]
	always   []int32
	all      []int32 // of all its rules, for a call whose attribute cannot be read
}

// add has a rule found by a handle.
func (d *dimension) add(h handle, id int32) {
	switch h.form {
	case exact:
		if d.exact == nil {
			d.exact = map[string][]int32{}
		}
		d.exact[h.text] = append(d.exact[h.text], id)
	case prefix:
		d.prefixes.add(h.text, append(d.prefixes.of[h.text], id))
	case suffix:
		d.suffixes.add(h.text, append(d.suffixes.of[h.text], id))
	case within:
		d.blocks.add(h.block, append(d.blocks.of[h.block], id))
	default:
		d.always = append(d.always, id)
	}
}

func (d *dimension) seal() {
	d.prefixes.seal()
	d.suffixes.seal()
}

// find appends lists of the rules that a call may match; wide: also in doubt. Each list
// ascends.
func (d *dimension) find(v *view, wide bool, out [][]int32) [][]int32 {
	if d.attr == sourceIP || d.attr == remoteIP {
		return d.findAddr(v, wide, out)
	}
	var room [8]string
	values, ok := d.values(v, room[:0])
	for _, value := range values {
		out = d.findText(value, out)
	}
	if len(values) > 0 {
		out = put(out, d.always)
	}
	if !ok && wide {
		out = put(out, d.all)
	}
	return out
}

func (d *dimension) findAddr(v *view, wide bool, out [][]int32) [][]int32 {
	addr, s := v.addr(d.attr)
	if s == odd && wide {
		return put(out, d.all)
	}
	if s != known {
		return out
	}
	for _, n := range d.blocks.lengths(addr) {
		if p, err := addr.Prefix(n); err == nil {
			out = put(out, d.blocks.of[p])
		}
	}
	return out
}

func (d *dimension) findText(value string, out [][]int32) [][]int32 {
	out = put(out, d.exact[value])
	for _, n := range d.prefixes.lengths {
		if n > len(value) {
			break
		}
		out = put(out, d.prefixes.of[value[:n]])
	}
	for _, n := range d.suffixes.lengths {
		if n > len(value) {
			break
		}
		out = put(out, d.suffixes.of[value[len(value)-n:]])
	}
	return out
}

func put(lists [][]int32, list []int32) [][]int32 {
	if len(list) == 0 {
		return lists
	}
	return append(lists, list)
}

// values appends the texts that the call's attribute is looked up by. It reports false
// when it has what cannot be looked up.
func (d *dimension) values(v *view, out []string) ([]string, bool) {
	auth := v.call.Auth()
	switch d.attr {
	case serviceAccount:
		if s := v.who(); s != known {
			return out, s != odd
		}
		return append(out, v.spiffe.account), !v.spiffe.twice
	case requestPrincipal:
		if auth == nil {
			return out, true
		}
		return append(out, lastSegment(auth.Subject)), auth.Issuer != "" && auth.Subject != "" && !hasNUL(auth.Issuer) && !hasNUL(auth.Subject)
	case audience:
		if auth == nil {
			return out, true
		}
		ok := true
		for _, one := range auth.Audiences {
			out, ok = append(out, one), ok && !hasNUL(one)
		}
		return out, ok
	case claimed:
		return d.claim.texts(auth, out)
	case header:
		return d.field.elements(v.lines(d.field.name, d.field.title), out)
	case host:
		if s := v.at(); s != known {
			return out, s != odd
		}
		return append(out, v.name), true
	}
	text, s := v.text(d.attr)
	if s != known {
		return out, s != odd
	}
	if d.attr == method {
		if folded := upper(text); folded != text {
			out = append(out, folded)
		}
	}
	return append(out, text), true
}
