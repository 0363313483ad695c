// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/discovery"
)

// Register implements [discovery.Registrar]. It announces the instance, looks after
// it as long as ctx lives, and withdraws it then within Config.Withdraw. What fails in
// between is tried again for ever and told to Config.OnEvent; only an instance that
// Consul refuses as malformed is an error before ctx ends.
//
// The ID that Consul sees is of this process: the registration that a killed
// predecessor left is neither taken over nor removed, but expires.
func (r *Registry) Register(ctx context.Context, in discovery.Instance) error {
	if err := in.Validate(); err != nil {
		return err
	}
	def, err := r.define(in)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // ctx bounds the registration: its end is no error
	}
	g := &registration{
		reg: r, service: in.Service, def: def,
		trouble: trouble{prober: r.prober, backoff: backoff{cfg: r.cfg.Backoff}},
	}
	if err := g.hold(ctx); err != nil {
		return err
	}
	return g.withdraw(ctx)
}

// registration is one Register: what should be there, and the loop that sees to it.
type registration struct {
	reg     *Registry
	service string
	def     *api.AgentServiceRegistration
	trouble trouble

	there    bool      // Consul had it when last asked
	before   bool      // it was there once
	tried    bool      // a registration may have reached the agent
	compared time.Time // when what is there was last compared with what should be
	failing  string    // reason of the last failure, "" when there was none
}

// errLost says that what is there is not what should be.
var errLost = errors.New("the agent does not know the registration, or knows another")

// hold keeps the registration there until ctx ends.
func (g *registration) hold(ctx context.Context) error {
	defer g.trouble.over()
	every := g.reg.cfg.Check.beat()
	for ctx.Err() == nil {
		err := g.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			g.failing = ""
			g.trouble.over()
			const tenth = 10 // earlier by up to a tenth, so that many do not beat as one
			if _, ok := sleep(ctx, every-spread(every/tenth), nil); !ok {
				return nil
			}
		case errors.Is(err, errLost):
			g.there = false
			g.tell(Lost, nil)
		case refused(err):
			return fmt.Errorf("consul: instance %q of service %q: %w", g.def.ID, g.service, err)
		default:
			g.fail(err)
			if !g.trouble.wait(ctx, every) {
				return nil
			}
		}
	}
	return nil
}

// step registers what is not there, or else looks after it.
func (g *registration) step(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.reg.cfg.Timeout)
	defer cancel()
	if !g.there {
		return g.register(ctx)
	}
	if g.reg.cfg.Check.byTTL() {
		if err := g.beat(ctx); err != nil {
			return err
		}
	}
	return g.compare(ctx)
}

func (g *registration) register(ctx context.Context) error {
	g.tried = true
	def := *g.def
	if g.before && !g.reg.cfg.Check.byTTL() {
		check := *def.Check // it was well before the agent forgot it
		check.Status = api.HealthPassing
		def.Check = &check
	}
	opts := api.ServiceRegisterOpts{ReplaceExistingChecks: true}.WithContext(ctx)
	if err := g.reg.client.Agent().ServiceRegisterOpts(&def, opts); err != nil {
		return err
	}
	g.there, g.before, g.compared = true, true, time.Now()
	g.tell(Registered, nil)
	return nil
}

// beat says that the instance is well. An agent that lost the check answers 404,
// older ones 500.
func (g *registration) beat(ctx context.Context) error {
	opts := (&api.QueryOptions{}).WithContext(ctx)
	err := g.reg.client.Agent().UpdateTTLOpts(checkID(g.def.ID), "", api.HealthPassing, opts)
	code, body := statusOf(err)
	if code == http.StatusNotFound ||
		code == http.StatusInternalServerError && (strings.Contains(body, "associated TTL") || strings.Contains(body, "nknown check")) {
		return errLost
	}
	return err
}

// compare looks at what the agent has, with every look after a check of the agent's
// own, and once a minute beside heartbeats. A token that may not read what it may
// write is no reason to worry.
func (g *registration) compare(ctx context.Context) error {
	const every = time.Minute
	if g.reg.cfg.Check.byTTL() && time.Since(g.compared) < every {
		return nil
	}
	have, _, err := g.reg.client.Agent().Service(g.def.ID, (&api.QueryOptions{}).WithContext(ctx))
	code, _ := statusOf(err)
	switch {
	case code == http.StatusNotFound:
		return errLost
	case code == http.StatusForbidden:
		return nil
	case err != nil:
		return err
	}
	g.compared = time.Now()
	if !same(g.def, have) {
		return errLost
	}
	return nil
}

// fail notes a failure, once per reason. After an answer that was no success the
// registration is made again, which is harmless where it is there after all.
func (g *registration) fail(err error) {
	if code, _ := statusOf(err); code != 0 {
		g.there = false
	}
	e := classify(err)
	if e.Reason != g.failing {
		g.failing = e.Reason
		g.tell(Unregistered, named(e, g.service, ""))
	}
}

// refused reports whether Consul calls the registration itself malformed.
func refused(err error) bool {
	code, _ := statusOf(err)
	return code == http.StatusBadRequest
}

// withdraw removes the registration, and nobody else's. It has its own bound, since
// the context of the registration has ended.
func (g *registration) withdraw(ctx context.Context) error {
	if !g.tried {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.reg.cfg.Withdraw)
	defer cancel()
	b := backoff{cfg: Backoff{Base: g.reg.cfg.Backoff.Base, Cap: time.Second}}
	for {
		err := g.reg.client.Agent().ServiceDeregisterOpts(g.def.ID, (&api.QueryOptions{}).WithContext(ctx))
		if code, _ := statusOf(err); err == nil || code == http.StatusNotFound {
			g.tell(Withdrawn, nil)
			return nil
		}
		if _, ok := sleep(ctx, b.next(), nil); !ok {
			return fmt.Errorf("consul: instance %q of service %q could not be withdrawn: %w", g.def.ID, g.service, classify(err))
		}
	}
}

func (g *registration) tell(kind EventKind, err error) {
	g.reg.cfg.event(Event{Kind: kind, Service: g.service, ID: g.def.ID, Err: err})
}
