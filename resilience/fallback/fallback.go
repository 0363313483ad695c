// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"errors"
	"maps"

	"github.com/enmesh-go/enmesh"
)

// Header says of an answer that it is a fallback, and of which kind: "destination",
// "cache", "function" or "static".
const Header = "Enmesh-Fallback"

// ErrStatic is found in the error that a [Static] answer of 400 and above is inside the
// chain.
var ErrStatic = errors.New("a static answer in place of a failure")

// Func makes an answer in place of err, which is never nil, or returns nil when it has
// none. To a unary gRPC call the answer's Content-Type is enmesh.MessageType, and its Body
// the encoded message. What it returns is not written. A panic of f is a panic of the
// call.
type Func func(ctx context.Context, c *enmesh.Call, err error) *enmesh.Reply

// Option changes how New makes a middleware.
type Option func(*fallback)

// Function has f asked when neither Config.Destination nor Config.Cache could help.
func Function(f Func) Option { return func(b *fallback) { b.function = f } }

// Through has calls to Config.Destination pass ms on their way: its own retry, breaker
// and limits. Those of the call's own destination, which stand further in, do not see
// them.
func Through(ms ...enmesh.Middleware) Option {
	return func(b *fallback) { b.send = enmesh.Chain(ms...)(enmesh.Send) }
}

// New makes the middleware, or refuses a Config that makes no sense. What it keeps of
// good answers lasts as long as the middleware.
//
// Nothing is made up for a caller who has gone, nor on a server whose handler has run.
// A server has no other destination and keeps no answers: Function and Config.Static are
// its fallbacks, for what its own chain refuses. Calls of gRPC are answered as far as gRPC
// allows: unary ones with a message, streams by another destination alone.
func New(cfg Config, opts ...Option) (enmesh.Middleware, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &fallback{Config: cfg, send: enmesh.Send, static: cfg.Static.made()}
	if cfg.Cache.On {
		b.cache = newCache(cfg.Cache, cfg.Idempotent)
	}
	for _, o := range opts {
		o(b)
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			switch {
			case err == nil && b.cache != nil:
				b.cache.keep(c)
				return nil
			case err == nil || !b.applies(ctx, c, err):
				return err
			}
			return b.replace(ctx, c, err)
		}
	}, nil
}

// fallback is what all calls of one middleware share.
type fallback struct {
	Config
	send     enmesh.Next
	function Func
	cache    *cache
	static   static
}

// applies reports whether err is to be made up for, and somebody is there to hear of it.
func (b *fallback) applies(ctx context.Context, c *enmesh.Call, err error) bool {
	if !b.On.Has(err) {
		return false
	}
	if end := enmesh.EndOf(ctx); end == enmesh.ErrCanceled || end == enmesh.ErrDeadline {
		return false
	}
	return c.Side == enmesh.Client || c.Answer.Status == 0
}

// replace tries one after the other; the last error stays when none can help.
func (b *fallback) replace(ctx context.Context, c *enmesh.Call, err error) error {
	if b.Shadow {
		if b.could(c, err) {
			b.record(c, true)
		}
		return err
	}
	if b.Destination.Service != "" && ctx.Err() == nil && b.repeatable(c, err) && c.Again() {
		if err = b.elsewhere(ctx, c); err == nil || !b.applies(ctx, c, err) {
			return err
		}
	}
	if r := b.reply(ctx, c, err); r != nil {
		b.record(c, false)
		return c.SetReply(r, meaning(r))
	}
	return err
}

// repeatable reports whether the call may be sent once more after err.
func (b *fallback) repeatable(c *enmesh.Call, err error) bool {
	return b.Idempotent || c.Repeatable(err)
}

// elsewhere sends the call to the other destination. One that fails there as well is for
// its own destination again: the cache goes by that, and telemetry.
func (b *fallback) elsewhere(ctx context.Context, c *enmesh.Call) error {
	own := c.Destination
	c.Destination = b.Destination
	c.Tick()
	b.record(c, false)
	err := b.send(ctx, c)
	if err != nil {
		c.Destination = own
	}
	if err == nil && c.Answer.Header != nil {
		c.Answer.Header.Set(Header, "destination")
	}
	return err
}

// reply is an answer that is made up here, or nil.
func (b *fallback) reply(ctx context.Context, c *enmesh.Call, err error) *enmesh.Reply {
	if b.cache != nil {
		if r := b.cache.find(c); r != nil {
			return r
		}
	}
	if b.function != nil {
		if r := b.function(ctx, c, err); r != nil && fits(c, r) {
			return marked(r, "function")
		}
	}
	return b.static.of(c)
}

// could reports, in shadow, whether something would have been answered. A function and
// another destination are not asked.
func (b *fallback) could(c *enmesh.Call, err error) bool {
	return b.Destination.Service != "" && b.repeatable(c, err) && c.Replayable() ||
		b.cache != nil && b.cache.find(c) != nil || b.function != nil || b.static.of(c) != nil
}

func (b *fallback) record(c *enmesh.Call, shadow bool) {
	if b.Recorder != nil {
		b.Recorder.Record(c, enmesh.Decision{Policy: "fallback", Action: enmesh.ActionReplace, Shadow: shadow})
	}
}

// fits reports whether the caller of c can be given r.
func fits(c *enmesh.Call, r *enmesh.Reply) bool {
	if c.Protocol == enmesh.HTTP {
		return r.Status >= 200 && r.Status <= 599
	}
	return c.Kind == enmesh.Unary
}

// marked is r with the header that says what it is.
func marked(r *enmesh.Reply, kind string) *enmesh.Reply {
	own := *r
	own.Header = maps.Clone(r.Header)
	if own.Header == nil {
		own.Header = map[string][]string{}
	}
	own.Header[Header] = []string{kind}
	return &own
}

// meaning is what a reply is inside the chain.
func meaning(r *enmesh.Reply) *enmesh.Error {
	if r.Status < 400 {
		return nil
	}
	return &enmesh.Error{
		Code: enmesh.CodeOfStatus(r.Status), Outcome: enmesh.Neutral, Unsent: true, Status: r.Status, Policy: "fallback", Err: ErrStatic,
	}
}
