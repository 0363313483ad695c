// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc

import (
	"context"
	"errors"
	"sync/atomic"

	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
)

// Checker asks a service of envoy.service.auth.v3 whether calls are allowed. It is an
// authz.Checker, and safe for concurrent use. It keeps nothing and starts nothing.
type Checker struct {
	cfg     *compiled
	client  auth.AuthorizationClient
	onError *enmesh.Error

	allowed, denied, failed atomic.Uint64
}

// New makes a Checker that asks over conn, which stays the caller's: a *grpc.ClientConn to
// the authorizer. It refuses a Config that makes no sense.
func New(conn grpc.ClientConnInterface, cfg Config) (*Checker, error) {
	k, err := cfg.compile()
	if err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, errors.New("extgrpc: there is no connection")
	}
	return &Checker{cfg: k, client: auth.NewAuthorizationClient(conn), onError: refusal(k.StatusOnError, ErrService)}, nil
}

// Check asks about a call. nil allows it, with the changes to its headers and query that the
// authorizer wants. A refusal is an *enmesh.Error with the authorizer's status, whose headers
// and body are the caller's answer in HTTP; [ErrDenied] is found in it. Where the
// authorizer gave no answer it is [ErrService], or nil with FailOpen.
func (k *Checker) Check(ctx context.Context, c *enmesh.Call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = k.unknown(ctx, c)
		}
	}()
	answer, late, err := k.ask(ctx, c)
	switch {
	case late != nil:
		return late
	case err != nil, answer.GetErrorResponse() != nil, answer.GetStatus() == nil && answer.GetHttpResponse() == nil:
		return k.unknown(ctx, c) // an answer without a word is none
	case codes.Code(answer.GetStatus().GetCode()) != codes.OK || answer.GetDeniedResponse() != nil:
		k.denied.Add(1)
		return k.deny(c, answer)
	}
	k.allowed.Add(1)
	apply(c, answer.GetOkResponse())
	return nil
}

// ask sends the question and nothing else: no metadata that the caller meant for the
// service it calls. It is late where the call's own deadline ended it: the authorizer is told
// of that, and its timer may be the first.
func (k *Checker) ask(ctx context.Context, c *enmesh.Call) (_ *auth.CheckResponse, late *enmesh.Error, _ error) {
	asking, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	answer, err := k.client.Check(metadata.NewOutgoingContext(asking, metadata.MD{}), k.question(c))
	if status.Code(err) == codes.DeadlineExceeded {
		c.Tick()
		until, _ := asking.Deadline()
		if own, ok := ctx.Deadline(); ok && own.Equal(until) {
			late = c.DeadlineOwner(ctx)
		}
	}
	return answer, late, err
}

// unknown decides a call that the authorizer says nothing about.
func (k *Checker) unknown(ctx context.Context, c *enmesh.Call) error {
	c.Tick()
	if e := enmesh.EndOf(ctx); e != nil {
		return e
	}
	k.failed.Add(1)
	if k.cfg.Recorder != nil {
		k.cfg.Recorder.Record(c, enmesh.Decision{Policy: policyName, Action: enmesh.ActionDegrade})
	}
	if k.cfg.FailOpen {
		return nil
	}
	return k.onError
}

// Stats is what a Checker has done so far.
type Stats struct {
	Allowed uint64 // calls that the authorizer let through
	Denied  uint64 // calls that it refused
	Failed  uint64 // calls that it said nothing about
}

// Stats counts.
func (k *Checker) Stats() Stats {
	return Stats{Allowed: k.allowed.Load(), Denied: k.denied.Load(), Failed: k.failed.Load()}
}
