// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"context"

	"github.com/enmesh-go/enmesh"
)

// Verified reports whether a peer has a verified identity: who may say by default that
// its calls matter more than CRITICAL.
func Verified(p *enmesh.Peer) bool { return p != nil && p.Identity != "" }

// Receive is a middleware for a server: it reads how much a call matters from
// [enmesh.CriticalityHeader] into the context, where the shedders behind it and the calls
// that the handler makes under that context find it. Put it before both, and behind what
// verifies the peer.
//
// Whoever calls may say that a call matters less than CRITICAL. That it matters more,
// only those may say that trust vouches for; CRITICAL_PLUS of others is CRITICAL. nil is
// [Verified]; p is nil where the peer is not known. What is no level counts as not said.
// A level that was brought down is brought down in the header too, so that a handler
// which passes headers on does not pass on what was said.
//
// What the context says already, as set by a middleware before this one, stands while the
// header is silent.
func Receive(trust func(p *enmesh.Peer) bool) enmesh.Middleware {
	if trust == nil {
		trust = Verified
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			return next(received(ctx, c, trust), c)
		}
	}
}

func received(ctx context.Context, c *enmesh.Call, trust func(*enmesh.Peer) bool) context.Context {
	said := c.Header.Get(enmesh.CriticalityHeader)
	if said == "" {
		return ctx
	}
	level, ok := enmesh.ParseCriticality(said)
	if !ok {
		return ctx
	}
	if level.Rank() > enmesh.Critical.Rank() && !trust(c.Source) {
		level = enmesh.Critical
		c.Header.Set(enmesh.CriticalityHeader, level.String())
	}
	return enmesh.WithCriticality(ctx, level)
}

// Send is a middleware for a client: it writes the context's level to
// [enmesh.CriticalityHeader], unless it is the default. Put it outside retry and hedge, so
// that every attempt carries it. What the caller wrote there itself goes before.
func Send() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			level := enmesh.CriticalityOf(ctx)
			if level != enmesh.Critical && c.Header.Get(enmesh.CriticalityHeader) == "" {
				c.Header.Set(enmesh.CriticalityHeader, level.String())
			}
			return next(ctx, c)
		}
	}
}
