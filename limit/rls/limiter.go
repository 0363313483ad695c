// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
)

// Limiter asks a rate limit service about each call. It is a gate, safe for concurrent
// use. It keeps nothing and starts nothing, but in shadow: Close it then.
type Limiter struct {
	cfg         Config
	client      service.RateLimitServiceClient
	descriptors []Descriptor
	onError     *enmesh.Error
	beside      *beside // in shadow; nil: it is not

	allowed, limited, failed, skipped atomic.Uint64
}

var errNoConnection = errors.New("rls: there is no connection")

// New makes a limiter that asks over conn, which stays the caller's: a *grpc.ClientConn to
// the service. It refuses a Config or a descriptor that makes no sense, and to have none.
func New(conn grpc.ClientConnInterface, cfg Config, descriptors ...Descriptor) (*Limiter, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, errNoConnection
	}
	if len(descriptors) == 0 {
		return nil, errors.New("rls: there are no descriptors")
	}
	for i, d := range descriptors {
		if err := d.check(); err != nil {
			return nil, fmt.Errorf("rls: descriptor %d: %w", i, err)
		}
	}
	l := &Limiter{
		cfg:         cfg,
		client:      service.NewRateLimitServiceClient(conn),
		descriptors: append([]Descriptor(nil), descriptors...),
		onError:     errorRefusal(cfg.StatusOnError),
	}
	if cfg.Shadow {
		l.beside = newBeside()
	}
	return l, nil
}

// Close ends the asks that are under way in shadow, and waits for them. Calls that come
// later are skipped.
func (l *Limiter) Close() error {
	if l.beside != nil {
		l.beside.close()
	}
	return nil
}

// Admit asks the service, and refuses what is over a limit, or, with Deny, what the
// service says nothing about in time. The headers that the service wants in the request
// are set; those that it wants in the answer are in a refusal, but in no other answer (see
// [Limiter.Middleware]).
func (l *Limiter) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	_, err := l.decide(ctx, c)
	return enmesh.Token{}, err
}

// Done does nothing: what was counted stays counted.
func (l *Limiter) Done(enmesh.Token, enmesh.Result) {}

// Middleware is the limiter for a route's chain. Other than enmesh.Guard(l) it also adds
// the headers to the answers of calls that are let through.
func (l *Limiter) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			answer, err := l.decide(ctx, c)
			if err != nil {
				return err
			}
			early := c.Answer.Header // a server's, who may send it before next returns
			l.addTo(early, answer)
			err = next(ctx, c)
			if early == nil {
				l.addTo(c.Answer.Header, answer)
			}
			return err
		}
	}
}

// decide returns the service's answer, if it gave one, and the refusal, if there is one.
func (l *Limiter) decide(ctx context.Context, c *enmesh.Call) (*service.RateLimitResponse, error) {
	var all []*common.RateLimitDescriptor
	for _, d := range l.descriptors {
		if one := d.of(c); one != nil {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		l.skipped.Add(1)
		return nil, nil
	}
	what := &service.RateLimitRequest{Domain: l.cfg.Domain, Descriptors: all, HitsAddend: l.cfg.Hits}
	if l.beside != nil {
		l.rehearse(c, what)
		return nil, nil
	}
	began := time.Now()
	answer, err := l.ask(ctx, what)
	c.Tick()
	switch {
	case err != nil:
		if deadline, ok := ctx.Deadline(); ok && deadline.Sub(began) < l.cfg.Timeout && status.Code(err) == codes.DeadlineExceeded {
			return nil, enmesh.ErrDeadline // the service was told it, and its timer may have been first
		}
		return nil, l.unknown(ctx, c)
	case answer.GetOverallCode() == service.RateLimitResponse_OVER_LIMIT:
		l.limited.Add(1)
		return answer, l.refuse(c, answer)
	}
	l.allowed.Add(1)
	prepare(c, answer)
	return answer, nil
}

// ask sends what is asked and nothing else: neither metadata that the caller meant for
// the service that it calls.
func (l *Limiter) ask(ctx context.Context, r *service.RateLimitRequest) (*service.RateLimitResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	return l.client.ShouldRateLimit(metadata.NewOutgoingContext(ctx, metadata.MD{}), r)
}

// unknown decides a call that the service says nothing about.
func (l *Limiter) unknown(ctx context.Context, c *enmesh.Call) error {
	if e := enmesh.EndOf(ctx); e != nil {
		return e
	}
	l.failed.Add(1)
	if l.cfg.Recorder != nil {
		l.cfg.Recorder.Record(c, enmesh.Decision{Policy: "rls", Action: enmesh.ActionDegrade, Shadow: l.cfg.Shadow})
	}
	if l.cfg.Deny {
		return l.onError
	}
	return nil
}

// Stats is what a limiter has done so far.
type Stats struct {
	Allowed uint64 // calls that the service let through
	Limited uint64 // calls that it refused
	Failed  uint64 // calls that it said nothing about
	Skipped uint64 // calls about which it was not asked: they have no descriptor, or in shadow too many are asked about
}

// Stats counts.
func (l *Limiter) Stats() Stats {
	return Stats{
		Allowed: l.allowed.Load(), Limited: l.limited.Load(),
		Failed: l.failed.Load(), Skipped: l.skipped.Load(),
	}
}
