// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/affinity"
)

// HashBy is what of a call a consistent hash goes by.
type HashBy uint8

// What a hash goes by. HashByNothing is no consistent hash.
const (
	HashByNothing HashBy = iota
	HashByHeader
	HashByQuery
	HashByCookie
	HashBySource
)

// Hash is a DestinationRule's consistentHash: calls that are alike in one thing go to the
// same instance. It is comparable.
type Hash struct {
	By     HashBy
	Name   string                // of the header or the query parameter
	Cookie affinity.CookieConfig // used if By is HashByCookie
	Maglev bool                  // Table is used, not Ring
	Ring   balance.RingHashConfig
	Table  balance.MaglevConfig
}

// Algorithm chooses by the hash, or is nil when there is none.
func (h Hash) Algorithm() balance.Algorithm {
	switch {
	case h.By == HashByNothing:
		return nil
	case h.Maglev:
		return balance.Maglev(h.Table)
	}
	return balance.RingHash(h.Ring)
}
