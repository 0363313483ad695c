// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"sync/atomic"
)

// Side is the end of the wire that a chain runs on.
type Side uint8

// The sides.
const (
	Client Side = iota
	Server
)

// Protocol is what the call speaks. Policies do not ask for it to match a request.
type Protocol uint8

// The protocols.
const (
	HTTP Protocol = iota
	GRPC
)

// String is "http" or "grpc", as metrics label it.
func (p Protocol) String() string {
	if p == GRPC {
		return "grpc"
	}
	return "http"
}

// Kind is the shape of a call. HTTP is always Unary.
type Kind uint8

// The kinds, as gRPC has them.
const (
	Unary Kind = iota
	ClientStream
	ServerStream
	Bidi
)

// Call is one request crossing the mesh, shared by everything in its chain. Its
// fields are written by one goroutine: the adapter's before the chain, then the
// chain's. Attempts that run at once are Calls of their own (see [Call.Fork]).
type Call struct {
	Side       Side
	Protocol   Protocol
	Kind       Kind
	Idempotent bool // by method, key or descriptor: may be sent again after any failure
	kept       bool // see Keep

	Destination        // a Router may change it
	Method      string // HTTP's method; "POST" for gRPC
	Path        string // decoded path; gRPC: "/package.Service/Method"
	Query       string // raw, without "?"
	Scheme      string // "http", "https"
	Authority   string // Host or :authority, port included
	Header      Header
	Source      *Peer  // server side; nil when unknown
	Key         uint64 // affinity hash; 0 none

	Route    *Route   // set before the chain runs
	Attempt  int      // 1 for the first
	Endpoint Endpoint // of the present attempt, once picked
	Expiry   *Error   // of the policy whose deadline is in force; nil: the caller's

	Answer Answer // what came back

	Start Instant // when the call began
	Clock Instant // latest shared reading: start, attempt, pick, answer

	carrier  *Carrier
	wire     Exchange
	attempts *attempts // shared with forks; nil until a second attempt
	rare     *rare     // nil until something of it is needed
	picked   Instant
	answered atomic.Int64 // an Instant
	hooks    hooks
}

// rare is what few attempts have: kept apart, since the size of a Call is paid for by
// every one.
type rare struct {
	unpicked *Error // why there is no endpoint
	reply    *Reply // what a policy answers with
	replyErr *Error // what the reply means; nil: success
	auth     *Auth  // the end user; nil: none

	head func(Header) // see OnHead; nil: nothing. It is the call's, not an attempt's.
}

func (c *Call) seldom() *rare {
	if c.rare == nil {
		c.rare = &rare{}
	}
	return c.rare
}

// Result is the Result of an attempt that ended with err at c.Clock.
func (c *Call) Result(err error) Result {
	return Result{Err: err, Outcome: OutcomeOf(err), Answered: Instant(c.answered.Load()), Ended: c.Clock, Call: c}
}

// Keep says that somebody looks at the Call after its end, on a goroutine of his own: its
// adapter does not use the record for another call then. Whoever does not call it knows
// the Call until his chain has returned and his hooks have run, and no longer. Call it from
// the chain's goroutine.
func (c *Call) Keep() { c.kept = true }

// DiscourageRetry says that the call is not worth sending again should it fail: what is
// below has been tried often enough, or is overloaded. On a client's call it is said of
// the call that this process serves and that this one is made for, if any; the server's
// adapter then marks a failure that it answers with, and retries at every hop above heed
// the mark. A far side's own "do not retry", and retries that are used up, are passed on
// without anybody calling this. Any goroutine may call it until the call has ended.
func (c *Call) DiscourageRetry() {
	if c.Side == Server {
		c.hooks.mark(discouraged)
		return
	}
	if c.carrier == nil {
		return
	}
	if above := CarrierOf(c.carrier.Context); above != nil && above != c.carrier {
		above.Call.DiscourageRetry()
	}
}

// RetryDiscouraged reports whether the answer of a server's call, if it is a failure, is
// to be marked (see [Call.DiscourageRetry]).
func (c *Call) RetryDiscouraged() bool { return c.hooks.state.Load()&discouraged != 0 }

// MarkDelayed says that a policy holds the call up on purpose, as an injected fault does:
// telemetry adds [FlagDelayInjected] to its flags. Call it from the chain's goroutine.
func (c *Call) MarkDelayed() { c.hooks.mark(delayed) }

// Delayed reports whether the call was held up on purpose (see [Call.MarkDelayed]).
func (c *Call) Delayed() bool { return c.hooks.state.Load()&delayed != 0 }

// Streams reports whether the answer may run on after Next has returned: HTTP and
// every streaming kind. A policy asks this, never the protocol.
func (c *Call) Streams() bool { return c.Protocol == HTTP || c.Kind != Unary }

// Replayable reports whether the call can be sent again: its body is kept, or was
// never read. Whether it may be is another question: [Call.Repeatable].
func (c *Call) Replayable() bool { return c.wire.Replayable() }

// Repeatable reports whether sending the call again after err is safe: the call is
// idempotent, by itself or by its route, or err says that it provably never
// reached the application.
func (c *Call) Repeatable(err error) bool {
	if c.Idempotent || c.Route != nil && c.Route.Idempotent {
		return true
	}
	e := ErrorOf(err)
	return e != nil && e.Unsent
}

// Again prepares the next attempt in sequence: it drops the answer held, so that
// its connection is free, notes the endpoint as tried and counts Attempt up. Decide
// everything else first (budget, backoff against the deadline): after Again the old
// answer cannot be had back. It reports false, changing nothing, if the call cannot
// be sent again.
func (c *Call) Again() bool {
	if !c.wire.Replayable() {
		return false
	}
	c.wire.Discard()
	if c.attempts == nil {
		c.attempts = &attempts{n: c.Attempt}
	}
	c.Attempt = c.attempts.next(c.Endpoint)
	head := c.HeadEdit()
	c.Endpoint, c.rare, c.picked = nil, nil, 0
	c.setHead(head)
	c.Answer = Answer{}
	c.answered.Store(0)
	return true
}

// Tick refreshes c.Clock after a wait.
func (c *Call) Tick() { c.Clock = Now() }

// Tried reports whether an attempt, before or beside this one, went to e.
func (c *Call) Tried(e Endpoint) bool { return c.attempts != nil && c.attempts.has(e) }

// HasTried reports whether any other attempt was made at all: a picker that finds
// false need not ask [Call.Tried] for each candidate.
func (c *Call) HasTried() bool { return c.attempts != nil }

// PickedAt is when the endpoint of the present attempt was picked; 0 before. The
// latency of an endpoint is counted from here, so that waiting for one is not.
func (c *Call) PickedAt() Instant { return c.picked }

// Sizes are the bytes of the request's and of the answer's body that crossed the
// wire so far, as Envoy counts them: without heads and trailers, of gRPC's messages with
// their prefix of five bytes. Of a call that was sent again they are those of the latest
// attempt. Each is negative when the adapter does not know it, or no answer came.
func (c *Call) Sizes() (request, answer int64) {
	if s, ok := c.wire.(Sizer); ok {
		return s.Sizes()
	}
	return -1, -1
}

// Written is the path that was called, before any policy changed Path, and how the
// caller wrote it: a "/" in Path may have been "%2F". Both are "" where the adapter does
// not know; raw is "" where it is the plain way to write the path.
func (c *Call) Written() (path, raw string) {
	if p, ok := c.wire.(Pather); ok {
		return p.Written()
	}
	return "", ""
}

// AnsweredAt is when the head of the answer came; 0 before. Any goroutine may call
// it: a timer asks before it cuts an answer that runs on.
func (c *Call) AnsweredAt() Instant { return Instant(c.answered.Load()) }

// FromContext returns the Call that ctx carries, or nil.
func FromContext(ctx context.Context) *Call {
	if k := CarrierOf(ctx); k != nil {
		return &k.Call
	}
	return nil
}
