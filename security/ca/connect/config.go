// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/internal/longpoll"
	"github.com/enmesh-go/enmesh/security"
)

// Config says which agent to ask, and for which service.
type Config struct {
	// Service is the name the certificate is for. It must be set. The agent's token needs
	// service:write for it.
	Service string
	// Address is where the agent is, as CONSUL_HTTP_ADDR has it, and TokenFile the file of its
	// token. Both go before what API says; "" leaves that.
	Address, TokenFile string
	// API says how the agent is reached, as Consul's own client has it. nil is the
	// environment's (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_CACERT and so on), else
	// 127.0.0.1:8500.
	API *api.Config
	// Wait is how long a query blocks at the agent. 0 means 60 s; negative and above 10 min
	// is refused.
	Wait time.Duration
	// OnUpdate, when set, hears of each identity that is taken, the first included, and of
	// each new failure with the identity that stays in force. It is called on a watching
	// goroutine, never twice at once, and must not block for long.
	OnUpdate func(*security.Identity, error)
	// Now replaces time.Now for the certificate's dates.
	Now func() time.Time
}

// maxBody bounds an answer of the agent, in bytes.
const maxBody = 16 << 20

// client makes Consul's client, and refuses what makes no sense.
func (c *Config) client() (*api.Client, *http.Client, error) {
	if c.Service == "" || strings.ContainsAny(c.Service, "/?#%") {
		return nil, nil, fmt.Errorf("connect: Service %q is empty or not the name of a service", c.Service)
	}
	conf := api.DefaultConfig()
	if c.API != nil {
		*conf = *c.API // a copy, since the client fills it in
	}
	conf.Address = cmp.Or(c.Address, conf.Address)
	if c.TokenFile != "" {
		conf.Token, conf.TokenFile = "", c.TokenFile
	}
	if _, err := api.NewClient(conf); err != nil { // which it does here
		return nil, nil, fmt.Errorf("connect: API: %w", err)
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
		return nil, nil, fmt.Errorf("connect: API: %w", err)
	}
	return client, &wire, nil
}
