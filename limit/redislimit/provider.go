// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// Provider makes quotas on one Redis as policy asks for them. It is a [limit.Sharer], for
// mesh.WithSharedLimits.
//
// [limit.Sharer]: https://pkg.go.dev/github.com/enmesh-go/enmesh/limit#Sharer
type Provider struct {
	client redis.UniversalClient
	cfg    Config
}

// NewProvider makes a Provider on the Redis of the client, which stays the caller's. Of cfg
// it takes what policy says nothing about, Lease, Timeout, Instances and MaxKeys, and
// refuses what makes no sense there, or is policy's.
func NewProvider(client redis.UniversalClient, cfg Config) (*Provider, error) {
	rest := Config{Lease: cfg.Lease, Timeout: cfg.Timeout, Instances: cfg.Instances, MaxKeys: cfg.MaxKeys}
	if cfg != rest {
		return nil, fmt.Errorf("redislimit: a Provider's Config has Lease, Timeout, Instances and MaxKeys; the rest is said by policy")
	}
	if client == nil {
		return nil, errNoClient
	}
	rest.Name, rest.Rate = "any", 1
	if err := rest.check(); err != nil {
		return nil, err
	}
	return &Provider{client, cfg}, nil
}

// Share makes a quota.
func (p *Provider) Share(cfg limit.SharedConfig) (limit.Remote, error) {
	own := p.cfg
	own.Name, own.Rate, own.Burst = cfg.Name, cfg.Rate, cfg.Burst
	own.Status, own.Headers, own.Envoy, own.Shadow, own.Recorder = cfg.Status, cfg.Headers, cfg.Envoy, cfg.Shadow, cfg.Recorder
	if cfg.MaxKeys != 0 {
		own.MaxKeys = cfg.MaxKeys
	}
	var key func(*enmesh.Call) string
	if cfg.By != nil {
		key = func(c *enmesh.Call) string {
			text, _ := limit.TextOf(cfg.By, c)
			return text
		}
	}
	quota, err := New(p.client, own, key)
	if err != nil {
		return nil, err
	}
	return quota, nil
}
