// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package timeout bounds how long a call, or one attempt of it, may take.
package timeout

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Overall bounds the whole call, retries and backoffs included. It stands outside
// a retry. A limit of zero or less is none.
func Overall(limit time.Duration) enmesh.Middleware { return bound(limit, "call") }

// Attempt bounds one attempt. It stands inside a retry. A limit of zero or less is
// none.
func Attempt(limit time.Duration) enmesh.Middleware { return bound(limit, "attempt") }

func bound(limit time.Duration, what string) enmesh.Middleware {
	expiry := expiryOf(limit, what)
	return func(next enmesh.Next) enmesh.Next {
		if limit <= 0 {
			return next
		}
		return func(ctx context.Context, c *enmesh.Call) error {
			ctx, cancel := context.WithTimeoutCause(ctx, limit, expiry)
			defer cancel()
			return next(ctx, c)
		}
	}
}
