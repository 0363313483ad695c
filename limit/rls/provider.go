// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// Provider makes limiters that ask one service as policy says. It is a [limit.Service], for
// mesh.WithRateLimitService.
//
// [limit.Service]: https://pkg.go.dev/github.com/enmesh-go/enmesh/limit#Service
type Provider struct {
	conn grpc.ClientConnInterface
	cfg  Config
}

// NewProvider makes a Provider that asks over conn, which stays the caller's. Of cfg it
// takes what policy says nothing about, Timeout and StatusOnError, and refuses what makes
// no sense there, or is policy's.
func NewProvider(conn grpc.ClientConnInterface, cfg Config) (*Provider, error) {
	rest := Config{Timeout: cfg.Timeout, StatusOnError: cfg.StatusOnError}
	if cfg != rest {
		return nil, fmt.Errorf("rls: a Provider's Config has Timeout and StatusOnError; the rest is said by policy")
	}
	if conn == nil {
		return nil, errNoConnection
	}
	rest.Domain = "any"
	if _, err := rest.withDefaults(); err != nil {
		return nil, err
	}
	return &Provider{conn, cfg}, nil
}

// Ask makes a limiter.
func (p *Provider) Ask(cfg limit.ServiceConfig) (limit.Remote, error) {
	own := p.cfg
	own.Domain, own.Deny, own.Hits = cfg.Domain, cfg.Deny, cfg.Cost
	own.Status, own.Headers, own.Shadow, own.Recorder = cfg.Status, cfg.Envoy, cfg.Shadow, cfg.Recorder
	descriptors := make([]Descriptor, 0, len(cfg.Descriptors))
	for _, entries := range cfg.Descriptors {
		var d Descriptor
		for _, e := range entries {
			d = append(d, entryAction{e})
		}
		descriptors = append(descriptors, d)
	}
	l, err := New(p.conn, own, descriptors...)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// entryAction is an entry as policy says it.
type entryAction struct{ entry limit.ServiceEntry }

// Entry is the entry's value of the call.
func (a entryAction) Entry(c *enmesh.Call) (Entry, Effect) {
	value, ok := a.entry.Of(c)
	return Entry{a.entry.Key, value}, present(ok, a.entry.Optional)
}

func (a entryAction) check() error {
	if a.entry.Key == "" {
		return fmt.Errorf("ServiceEntry: Key is not set")
	}
	return nil
}
