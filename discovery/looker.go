// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import "context"

// Looker is what a [Resolver] may be besides: a registry that can be asked once. A
// [Cache] uses it to confirm a set that it doubts, and to find out whether a
// registry that failed is back.
//
// Lookup gives one answer of the registry's own, newer than the call, not the last
// word of a watch. A service that is known to have no endpoints is an empty set; one
// that the registry does not know is an error that wraps [ErrUnknownService]. A
// Looker that wraps others and cannot ask them gives an error that wraps
// [errors.ErrUnsupported]. The set is shared and is not written.
type Looker interface {
	Lookup(ctx context.Context, service string) ([]Endpoint, error)
}
