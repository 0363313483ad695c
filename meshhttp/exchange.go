// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

var errNoAnswer = &enmesh.Error{
	Code: enmesh.Internal, Outcome: enmesh.Failure, Policy: "meshhttp",
	Err: errors.New("the chain ended without an answer"),
}

// outgoing is one attempt's request. net/http may read it after RoundTrip has
// returned, so that each attempt has its own.
type outgoing struct {
	req  http.Request
	url  url.URL
	body *requestBody // nil when the request has no body, or net/http has it as it is
}

// lasting is what others may look at when the call is over: its contexts and the
// answer's body.
type lasting struct {
	link    enmesh.Link
	watched watchedContext
	answer  answerBody
}

// kept is lasting with the first attempt's request, which a base other than net/http's
// may keep for as long as it likes.
type kept struct {
	lasting
	first outgoing
}

// exchange is the record of one call on the client, used again when the call is over
// (see recycle).
type exchange struct {
	k  enmesh.Carrier
	t  *Transport
	in *http.Request // the caller's; never written

	header headerView
	out    *lasting
	first  *reused   // for the first attempt; nil: the record has none yet
	plain  *outgoing // for the first attempt, where it is not reused; nil: none yet
	last   *outgoing // the latest attempt; nil before the first
	kept   *[]byte   // a copy of the body

	pool      *pool // of the present attempt; nil without pools
	admission balance.Admission
	hooks     enmesh.Spare

	resp   *http.Response // the answer held, untouched
	err    *enmesh.Error  // what it means: nil is success
	holder *exchange      // the fork whose answer it is; nil: its own

	upgraded *atomic.Int64 // bytes written to an upgraded connection; nil: it is not one

	admitted bool // the admission is to be released
	keeps    bool // the route resends: the body is kept
	taken    bool // the caller's Body was given to an attempt
	repeated bool // a foreign base has repeated the present attempt
	copied   bool // nobody reads the answer (see Copy)
}

var _ enmesh.Exchange = (*exchange)(nil)

// exchanges has the records of calls that are over.
var exchanges sync.Pool // of *exchange

func newExchange(t *Transport, req *http.Request) *exchange {
	x, ok := exchanges.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	x.t, x.in = t, req
	if t.base != nil {
		k := new(kept)
		x.out, x.plain = &k.lasting, &k.first
	} else {
		x.out = new(lasting)
	}
	if x.first != nil {
		x.header.room = &x.first.room
	}
	x.k.Begin(req.Context(), x)
	x.k.Lend(&x.hooks)
	x.out.link.Tie(&x.k)
	return x
}

// recycle gives the record back, unless somebody may still know it: another attempt,
// or a base that is not net/http's. It is the last that is done with a call.
func (x *exchange) recycle() {
	if !x.k.Reusable() || x.t.base != nil {
		return
	}
	x.out.link.Cut()
	hooks, first := x.hooks.Emptied(), x.forgotten()
	*x = exchange{} // by itself, it is cleared in place
	x.hooks, x.first = hooks, first
	exchanges.Put(x)
}

// forgotten is the first attempt's request for another call; nil when net/http may yet
// look at this one's.
func (x *exchange) forgotten() *reused {
	r := x.first
	if r == nil || x.last != nil && (x.last != &r.outgoing || !r.written()) {
		return nil
	}
	r.reset()
	return r
}

// describe fills in the Call from the request.
func (x *exchange) describe() {
	r, c := x.in, &x.k.Call
	c.Side, c.Protocol = enmesh.Client, enmesh.HTTP
	c.Method, c.Path, c.Query, c.Scheme = method(r.Method), r.URL.Path, r.URL.RawQuery, r.URL.Scheme
	if c.Path == "" {
		c.Path = "/"
	}
	c.Authority = r.Host
	if c.Authority == "" {
		c.Authority = r.URL.Host
	}
	c.Service, c.Port = splitAuthority(r.URL.Host)
	c.Idempotent = idempotent(r.Method, r.Header)
	x.header.m = r.Header
	c.Header = &x.header
}

// Send makes one attempt: pick, endpoint gates, wire.
func (x *exchange) Send(ctx context.Context, c *enmesh.Call) error {
	if e := c.EndOf(ctx); e != nil {
		return e
	}
	x.Discard()
	if err := x.admit(ctx, c); err != nil {
		return err
	}
	sent := false
	defer x.unwind(&sent)
	e := x.send(ctx, c)
	sent = true
	if e != nil {
		return e
	}
	return nil
}

// unwind gives back what an attempt holds whose base panicked.
func (x *exchange) unwind(sent *bool) {
	if !*sent {
		x.release(enmesh.ErrPanic, enmesh.Now())
	}
}

// send puts the attempt on the wire and reads what came back.
func (x *exchange) send(ctx context.Context, c *enmesh.Call) *enmesh.Error {
	out, rt, e := x.request(ctx, c)
	if e != nil {
		x.release(e, enmesh.Now())
		return e
	}
	resp, err := rt.RoundTrip(out) //nolint:bodyclose // it is handed out, or dropped by Discard
	if err != nil && x.pool != nil && closedIdle(err) {
		resp, err = x.resend(ctx, out, err) //nolint:bodyclose // as above
	}
	now := enmesh.Now()
	if err != nil {
		e := classify(ctx, c, err, x.last.body)
		x.rest(e, now)
		if x.pool != nil && wentAway(err) {
			x.leave(now)
		}
		x.release(e, now)
		return e
	}
	if x.pool != nil {
		x.pool.reach.answered()
		x.pool.spoke(resp.ProtoMajor)
	}
	if x.first != nil {
		x.first.answered = true
	}
	x.k.Answered(now)
	x.heed(resp, now)
	x.resp, x.err = resp, statusError(resp.StatusCode, resp.Header)
	if resp.StatusCode == http.StatusGatewayTimeout && x.t.cfg.deadlineHeader != "" {
		// The server was told the deadline, and its timer may have been first.
		if owner := c.DeadlineOwner(ctx); owner != nil {
			x.err = owner
		}
	}
	c.Answer = enmesh.Answer{Status: resp.StatusCode, Header: answerHeader(resp.Header)}
	if x.err != nil || bodyless(resp, x.in.Method) {
		x.release(asError(x.err), now)
	}
	return x.err
}

// rest keeps calls away from an endpoint that could not be connected to.
func (x *exchange) rest(e *enmesh.Error, now enmesh.Instant) {
	if x.pool == nil || e.Flag != enmesh.FlagConnectFailure {
		return
	}
	x.pool.reach.failed(x.k.Call.PickedAt(), now)
}

// admit picks an endpoint and passes its gates.
func (x *exchange) admit(ctx context.Context, c *enmesh.Call) error {
	if x.t.source == nil {
		x.k.Picked(nil, enmesh.Now())
		return nil
	}
	cluster := x.t.source.Cluster(c.Destination, enmesh.HTTP)
	if cluster.Set() == nil {
		if err := cluster.Wait(ctx); err != nil {
			return x.unpicked(c.EndOf(ctx), err)
		}
	}
	e, now, err := x.pick(cluster, c)
	if err != nil {
		return x.unpicked(enmesh.ErrorOf(err), err)
	}
	x.k.Picked(e, now)
	if deadline, ok := ctx.Deadline(); ok {
		if left := deadline.Sub(now.Time()); left-x.t.cfg.deadlineSlack.Of(left) < leastTime {
			return spent(c, deadline, now)
		}
	}
	if err := e.Admit(ctx, c, now, &x.admission); err != nil {
		return err
	}
	x.admitted = true
	return nil
}

// mostPicks is how often a call picks that finds endpoints which are down and not to be
// tried now. Picks pass those over while another is ready, so that more than one is for
// when there is none.
const mostPicks = 32

// pick is an endpoint that may be connected to, and when it was picked.
func (x *exchange) pick(cluster *balance.Cluster, c *enmesh.Call) (*balance.Endpoint, enmesh.Instant, error) {
	soonest := time.Duration(math.MaxInt64)
	for range mostPicks {
		e, err := cluster.Picker().Pick(c)
		now := enmesh.Now()
		if err != nil || x.t.pools == nil {
			return e, now, err
		}
		of := x.t.pools.of(e)
		may, left := of.reach.try(now)
		if may {
			x.pool = of
			return e, now, nil
		}
		soonest = min(soonest, left)
	}
	return nil, 0, refusalFor(soonest)
}

// leastTime is the least that a server can be told: with less left, nothing is sent.
const leastTime = time.Millisecond

// spent is whose the deadline is that left the attempt no time.
func spent(c *enmesh.Call, deadline time.Time, now enmesh.Instant) *enmesh.Error {
	switch {
	case enmesh.Standstill(deadline, now.Time()):
		return enmesh.ErrStandstill
	case c.Expiry != nil:
		return c.Expiry
	}
	return enmesh.ErrDeadline
}

func (x *exchange) unpicked(e *enmesh.Error, err error) error {
	if e == nil {
		return err
	}
	x.k.Unpicked(e)
	return e
}

// release gives back the endpoint's admission, if there is one.
func (x *exchange) release(err error, at enmesh.Instant) {
	if !x.admitted {
		return
	}
	x.admitted = false
	r := x.k.Call.Result(err)
	r.Ended = at
	x.admission.Release(r)
}

// Discard drops the answer held, so that its connection is free.
func (x *exchange) Discard() {
	if x.resp == nil {
		return
	}
	resp, holder := x.resp, x.holder
	x.resp, x.err, x.holder = nil, nil, nil
	if x.copied {
		x.absorb(resp)
		return
	}
	drain(resp)
	if holder == nil {
		holder = x
	}
	holder.release(enmesh.ErrLost, enmesh.Now())
}

// Fork makes an attempt beside this one, if its body can be had twice.
func (x *exchange) Fork(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	if !x.copies() {
		return nil, errOneBody
	}
	y := &exchange{t: x.t, in: x.in, out: new(lasting), kept: x.kept, keeps: x.keeps, taken: true}
	y.k.Branch(ctx, y, c)
	y.k.Lend(&y.hooks)
	y.header.m = x.header.freeze()
	y.k.Call.Header = &y.header
	return &y.k, nil
}

// Adopt takes over the answer of a fork.
func (x *exchange) Adopt(winner enmesh.Exchange) {
	w, ok := winner.(*exchange)
	if !ok {
		return
	}
	x.Discard()
	holder := w
	if w.holder != nil {
		holder = w.holder
	}
	x.resp, x.err, x.holder = w.resp, w.err, holder
	w.resp, w.err, w.holder = nil, nil, nil
}

// asError is e without the trap of a nil pointer in an interface.
func asError(e *enmesh.Error) error {
	if e == nil {
		return nil
	}
	return e
}
