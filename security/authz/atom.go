// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"slices"

	"github.com/enmesh-go/enmesh"
)

// attribute is what a part of a rule looks at.
type attribute uint8

const (
	principal attribute = iota
	trustDomain
	namespace
	serviceAccount
	requestPrincipal
	audience
	presenter
	claimed
	sourceIP
	remoteIP
	destinationIP
	destinationPort
	host
	method
	path
	header
	sni
)

// atom is one field of a source or an operation, or one side of a condition: a list of
// values of which any may match, or none.
type atom struct {
	attr    attribute
	negated bool
	name    string // as the document calls it: "principals", "request.headers[x-role]"

	// What is compiled of the values, by attribute.
	set        *set
	hosts      *hosts
	templates  []*template
	blocks     *blocks[struct{}]
	ports      []uint16
	accounts   []account
	namespaces *namespaces
	subjects   []subject
	field      *field
	claim      *claim

	values []string // as written
}

// holds reports whether a call meets the atom. wide: what is in doubt counts as met, as in
// a Deny rule, else as not met, as in an Allow rule; so an error never opens.
func (a *atom) holds(v *view, wide bool) bool {
	if a.negated {
		return !a.match(v, !wide)
	}
	return a.match(v, wide)
}

// match reports whether one of the values matches. What cannot be known matches if lean.
func (a *atom) match(v *view, lean bool) bool {
	switch a.attr {
	case serviceAccount:
		return a.matchAccount(v, lean)
	case requestPrincipal:
		return a.matchSubject(v.call.Auth(), lean)
	case audience:
		return a.matchAudience(v.call.Auth(), lean)
	case claimed:
		return a.claim.match(v.call.Auth(), lean)
	case sourceIP, remoteIP, destinationIP:
		addr, s := v.addr(a.attr)
		return s == odd && lean || s == known && a.blocks.contain(addr)
	case destinationPort:
		port := v.localPort()
		return port == 0 && lean || port != 0 && slices.Contains(a.ports, port)
	case host:
		s := v.at()
		return s == odd && lean || s == known && a.hosts.match(v.name, v.port)
	case header:
		return a.field.match(v.lines(a.field.name, a.field.title), lean)
	}
	text, s := v.text(a.attr)
	return s == odd && lean || s == known && a.matchText(text, lean)
}

// matchText is match for attributes that are one text.
func (a *atom) matchText(text string, lean bool) bool {
	switch a.attr {
	case namespace:
		return a.namespaces.match(text)
	case method:
		// Who handles "post" as POST must not be reached by it.
		return a.set.match(text) || lean && a.set.match(upper(text))
	case path:
		if a.set.match(text) {
			return true
		}
		for _, t := range a.templates {
			if t.match(text, lean) {
				return true
			}
		}
		return false
	}
	return a.set.match(text)
}

func (a *atom) matchAccount(v *view, lean bool) bool {
	switch s := v.who(); {
	case s == odd || v.spiffe.twice:
		return lean
	case s == absent || v.spiffe.account == "":
		return false
	}
	return slices.Contains(a.accounts, account{v.spiffe.namespace, v.spiffe.account})
}

func (a *atom) matchSubject(auth *enmesh.Auth, lean bool) bool {
	switch {
	case auth == nil:
		return false
	case auth.Issuer == "" || auth.Subject == "" || hasNUL(auth.Issuer) || hasNUL(auth.Subject):
		return lean
	}
	for i := range a.subjects {
		if a.subjects[i].match(auth.Issuer, auth.Subject, lean) {
			return true
		}
	}
	return false
}

func (a *atom) matchAudience(auth *enmesh.Auth, lean bool) bool {
	if auth == nil {
		return false
	}
	for _, one := range auth.Audiences {
		if a.set.match(one) || lean && hasNUL(one) {
			return true
		}
	}
	return false
}
