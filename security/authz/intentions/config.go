// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/longpoll"
)

// Default is what happens to a caller that no intention speaks of.
type Default uint8

// The defaults.
const (
	// FromConsul is what Consul's default ACL policy says: allowed where that is "allow", or
	// where there is no access control; denied otherwise, and where the agent does not tell.
	FromConsul Default = iota
	// Allow and Deny are for clusters whose default_intention_policy differs from it.
	Allow
	Deny
)

// Config says which agent to ask, and for which service.
type Config struct {
	// Service is the destination: the name of the service that this process is. It must be
	// set. The agent's token needs intentions = "read" for it.
	Service string
	// API says how the agent is reached, as Consul's own client has it. nil is the
	// environment's (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_CACERT and so on), else
	// 127.0.0.1:8500.
	API *api.Config
	// Default is FromConsul unless set.
	Default Default
	// Wait is how long a query blocks at the agent. 0 means 60 s; negative and above 10 min
	// is refused.
	Wait time.Duration
	// OnUpdate, when set, hears of each set of intentions that is put in force, the first
	// included, and of each new failure with the set that stays in force. It is called on the
	// watching goroutine, never twice at once, and must not block for long.
	OnUpdate func(*Set, error)
	// Audit, when set, is told of each refusal. It runs on the call's goroutine and must not
	// keep the Decision. [LogTo] makes one.
	Audit func(ctx context.Context, c *enmesh.Call, d *Decision)
}

// maxBody bounds an answer of the agent, in bytes.
const maxBody = 16 << 20

// client makes Consul's client, and refuses what makes no sense.
func (c *Config) client() (*api.Client, *http.Client, error) {
	switch {
	case c.Service == "" || c.Service == "*" || strings.ContainsAny(c.Service, "/?#%"):
		return nil, nil, fmt.Errorf("intentions: Service %q is empty or not the name of a service", c.Service)
	case c.Default > Deny:
		return nil, nil, fmt.Errorf("intentions: Default %d is not FromConsul, Allow or Deny", c.Default)
	}
	conf := api.DefaultConfig()
	if c.API != nil {
		*conf = *c.API // a copy, since the client fills it in
	}
	if _, err := api.NewClient(conf); err != nil { // which it does here
		return nil, nil, fmt.Errorf("intentions: API: %w", err)
	}
	wire := *conf.HttpClient
	base := wire.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	wire.Transport = &longpoll.Transport{Base: base, Most: maxBody, TokenFile: conf.TokenFile}
	conf.HttpClient = &wire
	client, err := api.NewClient(conf)
	if err != nil {
		return nil, nil, fmt.Errorf("intentions: API: %w", err)
	}
	return client, &wire, nil
}
