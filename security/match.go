// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"slices"
	"strings"
)

// Matcher says which peers are meant. IDs are compared whole: there is no
// matching by prefix or pattern, so that an account named "web" is never taken
// for "web-admin". An [ID] is the Matcher of itself. A Matcher that describes
// itself as a fmt.Stringer is named in errors.
type Matcher interface {
	MatchID(peer ID) bool
}

// MatchID reports whether peer is id. The zero ID matches nothing, itself
// included.
func (id ID) MatchID(peer ID) bool { return !id.IsZero() && id == peer }

// AnyOf matches each of ids, and nobody when there are none.
func AnyOf(ids ...ID) Matcher { return anyOf(slices.Clone(ids)) }

type anyOf []ID

func (m anyOf) MatchID(peer ID) bool {
	return slices.ContainsFunc(m, func(id ID) bool { return id.MatchID(peer) })
}

func (m anyOf) String() string {
	names := make([]string, len(m))
	for i, id := range m {
		names[i] = id.String()
	}
	return "any of [" + strings.Join(names, ", ") + "]"
}

// InTrustDomain matches every workload of a trust domain. The name is compared
// exactly.
func InTrustDomain(trustDomain string) Matcher { return inTrustDomain(trustDomain) }

type inTrustDomain string

func (m inTrustDomain) MatchID(peer ID) bool {
	return m != "" && !peer.IsZero() && peer.TrustDomain() == string(m)
}

func (m inTrustDomain) String() string { return "any workload of trust domain " + string(m) }
