// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// OutboundMode is what becomes of calls to hosts that nobody knows: no VirtualService
// names them, and the registry has no such service (Istio's outboundTrafficPolicy).
type OutboundMode uint8

// The modes.
const (
	// RegistryOnly refuses the call: 404, flag NR, cause [ErrUnknownHost].
	RegistryOnly OutboundMode = iota
	// AllowAny sends the call to the host and port that it names, found by DNS, in
	// plaintext or in the caller's own TLS, without a proxy and without mutual TLS. A call
	// that names no port goes to 443 where its scheme is https, else to 80.
	AllowAny
)

// WithOutboundMode says what becomes of calls to hosts that nobody knows. Without it:
// [RegistryOnly], which is not Istio's default but tells of a misspelled name. Either way
// the registry is asked first, and waited for while it has not answered yet. Of hosts that
// were called once 1,024 without an instance are followed, and of those outside as many
// have connections: beyond that the oldest give way, and begin anew when they are called.
func WithOutboundMode(mode OutboundMode) Option {
	return optionFunc(func(cfg *config) { cfg.outboundMode = mode })
}

// ErrUnknownHost is the cause of a refusal with flag NR: neither policy nor the
// registry knows the host.
var ErrUnknownHost = errors.New("no rule and no registry knows the host")

// errUnknownHost answers such a call.
var errUnknownHost = &enmesh.Error{
	Code: enmesh.GRPCCodeOfStatus(404), Outcome: enmesh.Neutral, Unsent: true, Status: 404,
	Flag: enmesh.FlagNoRoute, Policy: "mesh", Err: ErrUnknownHost,
}

// stranger stands innermost in the chain to a host that no VirtualService names, and
// does what the mode says where the registry does not know it either.
func (p *policies) stranger(next enmesh.Next) enmesh.Next {
	direct := p.mesh.cfg.outboundMode == AllowAny
	return func(ctx context.Context, c *enmesh.Call) error {
		err := next(ctx, c)
		if err == nil || enmesh.ErrorOf(err) != balance.ErrNoCluster {
			return err
		}
		if !direct {
			return errUnknownHost
		}
		known := c.Destination
		c.Destination = enmesh.Destination{
			Service: passThrough + p.mesh.source.registryName(known.Service), Port: portOf(c),
		}
		err = next(ctx, c)
		c.Destination = known
		return err
	}
}

// portOf is the port that a call names, or its scheme's.
func portOf(c *enmesh.Call) uint16 {
	switch {
	case c.Port != 0:
		return c.Port
	case c.Scheme == "https":
		return 443
	}
	return 80
}

// passThrough begins the name of a destination that is no service: what follows is
// the host to dial. No key of a service has a slash.
const passThrough = "passthrough/"

// outside is the endpoint of a destination that is passed through.
func outside(d enmesh.Destination) (discovery.Endpoint, bool) {
	host, ok := strings.CutPrefix(d.Service, passThrough)
	if !ok {
		return discovery.Endpoint{}, false
	}
	return discovery.Endpoint{Addrs: []string{net.JoinHostPort(host, strconv.Itoa(int(d.Port)))}}, true
}
