// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity

import (
	"context"

	"github.com/cespare/xxhash/v2"

	"github.com/enmesh-go/enmesh"
)

// KeyOf is the key of a value: its xxHash64 with seed 0, as in Envoy, the same in every
// process, but never 0, which would be no key.
func KeyOf(value string) uint64 { return notZero(xxhash.Sum64String(value)) }

func keyOfBytes(value []byte) uint64 { return notZero(xxhash.Sum64(value)) }

func notZero(key uint64) uint64 {
	if key == 0 {
		return 1
	}
	return key
}

// keyed is a middleware that sets the key that f finds, if it is not 0.
func keyed(f func(*enmesh.Call) uint64) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if key := f(c); key != 0 {
				c.Key = key
			}
			return next(ctx, c)
		}
	}
}
