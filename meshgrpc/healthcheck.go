// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/balance"
)

// HealthCheckConfig says what a [HealthChecker] asks. It is comparable.
type HealthCheckConfig struct {
	Service string // that is asked about; "" is the whole server
	// Authority of the call. The endpoint's address, or the server name of its TLS
	// configuration
	Authority string
	Port      uint16 // to ask, where it is not the one that takes calls. The endpoint's own
}

// HealthChecker asks endpoints by grpc.health.v1 whether they are well: it is a checker
// for package balance/health. Each check makes a connection of its own, past the mesh:
// an endpoint that takes no new ones is not well. Only SERVING is well; a server without
// the health service, or that does not know the service asked about, is not, as in
// Envoy.
type HealthChecker struct {
	cfg HealthCheckConfig
	tls balance.TLSSource
}

// NewHealthChecker makes a checker. Connections are made as s says, over TLS or in
// plaintext; a nil s is always plaintext.
func NewHealthChecker(cfg HealthCheckConfig, s balance.TLSSource) *HealthChecker {
	return &HealthChecker{cfg: cfg, tls: s}
}

// ErrNotServing is the end of a check whose answer was no, whatever the reason given.
var ErrNotServing = errors.New("meshgrpc: the endpoint does not serve")

// Check asks an endpoint, until ctx ends.
func (h *HealthChecker) Check(ctx context.Context, e *balance.Endpoint) error {
	var failures []error
	for i, addr := range e.Addrs() {
		err := h.ask(ctx, e, h.addr(addr), len(e.Addrs())-i)
		if err == nil || errors.Is(err, ErrNotServing) {
			return err
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// addr is an address with the port that is asked.
func (h *HealthChecker) addr(addr string) string {
	if h.cfg.Port == 0 {
		return addr
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	return net.JoinHostPort(host, strconv.Itoa(int(h.cfg.Port)))
}

// ask asks at one address; so many are left to try, this one included, in the time that
// is left.
func (h *HealthChecker) ask(ctx context.Context, e *balance.Endpoint, addr string, left int) error {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, h.options(e)...)
	if err != nil {
		return fmt.Errorf("meshgrpc: health check: %w", err)
	}
	defer func() { _ = conn.Close() }()
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: h.cfg.Service})
	switch {
	case status.Code(err) == codes.Unimplemented, status.Code(err) == codes.NotFound:
		return fmt.Errorf("%w: %w", ErrNotServing, err)
	case err != nil:
		return fmt.Errorf("meshgrpc: health check: %w", err)
	case answer.GetStatus() != healthpb.HealthCheckResponse_SERVING:
		return fmt.Errorf("%w: %v", ErrNotServing, answer.GetStatus())
	}
	return nil
}

// options are those of one check's connection.
func (h *HealthChecker) options(e *balance.Endpoint) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(h.credentials(e)),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
	}
	if h.cfg.Authority != "" {
		options = append(options, grpc.WithAuthority(h.cfg.Authority))
	}
	return options
}

// credentials are for one connection to an endpoint.
func (h *HealthChecker) credentials(e *balance.Endpoint) credentials.TransportCredentials {
	if h.tls == nil {
		return insecure.NewCredentials()
	}
	cfg := h.tls.ClientTLS(e)
	if cfg == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(cfg)
}
