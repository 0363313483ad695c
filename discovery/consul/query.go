// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/consul/api"
)

// query is one question for the instances of a service.
type query struct {
	service, dc string
	index       uint64        // 0 does not block
	wait        time.Duration // how long to block
	last        string        // where the index is from
	fresh       bool          // ask the leader whatever Config says
}

// answer is what came of it.
type answer struct {
	list
	header
	asked  time.Time // when the question was put
	remote string
	token  bool
	early  bool // it brought no other index, long before it had to come
}

// slack is how much longer than the server a query may take: Consul adds up to a
// sixteenth of the wait, and then there is the way.
func slack(wait time.Duration) time.Duration { return wait + wait/16 + 4*time.Second }

// ask puts the question. It is over by ctx's end or in time, whichever is first.
func (r *Registry) ask(ctx context.Context, q query) (answer, error) {
	timeout := r.cfg.Timeout
	if q.index > 0 {
		timeout = slack(q.wait)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ans := answer{asked: time.Now()}
	sel := r.selection()
	x := &exchange{last: q.last, read: func(body io.Reader) (err error) {
		ans.list, err = sel.read(body)
		return err
	}}
	ctx, drop := x.with(ctx)
	defer drop(nil)
	opts := (&api.QueryOptions{
		Datacenter: q.dc, WaitIndex: q.index, AllowStale: !r.cfg.Consistent && !q.fresh,
	}).WithContext(ctx)
	asked := time.Now()
	if q.index > 0 {
		opts.WaitTime = q.wait
		if !r.cfg.Streaming {
			opts.Near = "_agent" // any value keeps the agent from answering out of its stream
		}
	}
	_, _, err := r.client.Health().ServiceMultipleTags(q.service, r.cfg.Tags, false, opts)
	ans.remote, ans.token = x.remote, x.token
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errMoved):
		return ans, errMoved
	case err != nil:
		return ans, classify(err)
	case x.header == nil:
		return ans, &Error{Reason: Garbage, Err: errors.New("the answer has no body")}
	}
	ans.header = readHeader(x.header)
	ans.early = q.index > 0 && ans.index == q.index && time.Since(asked) < q.wait-q.wait/10
	return ans, nil
}

func (r *Registry) selection() *selection {
	return &selection{
		tags: r.cfg.Tags, taggedAddress: r.cfg.TaggedAddress,
		passingOnly: r.cfg.PassingOnly, noPanic: r.cfg.NoPanic, unhealthy: r.cfg.Unhealthy,
	}
}

// credible refuses an empty answer that has another reason than that there is nobody:
// a token that may see nothing, no token at all, a server that knows no leader.
func (r *Registry) credible(ctx context.Context, ans answer, stale bool) error {
	if ans.listed > 0 {
		return nil
	}
	switch {
	case ans.filtered:
		return &Error{Reason: Filtered, Err: errors.New("the token may not see any instance")}
	case stale && ans.leaderless:
		return &Error{Reason: Leaderless, Err: errors.New("an empty answer of a server that knows no leader is not believed")}
	case ans.deny && !ans.token:
		return r.checkToken(ctx)
	}
	return nil
}

// named puts service and datacenter on an [Error].
func named(err error, service, dc string) error {
	var own *Error
	if !errors.As(err, &own) {
		return fmt.Errorf("consul: service %q: %w", service, err)
	}
	e := *own
	e.Service, e.Datacenter = service, dc
	return &e
}
