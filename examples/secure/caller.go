// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/ca"
)

// caller is a process that calls both services.
type caller struct {
	mesh     *mesh.Mesh
	web      *http.Client
	payments *grpc.ClientConn
}

// openCaller joins the mesh as an account.
func openCaller(ctx context.Context, account string, authority *ca.Development, endpoints map[string][]discovery.Endpoint, ends *cleanups) (*caller, error) {
	identity, err := authority.Source("default", account)
	if err != nil {
		return nil, err
	}
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: account}),
		mesh.WithCertificates(identity),
		mesh.WithResolver(discovery.NewStatic(endpoints)),
	)
	if err != nil {
		return nil, err
	}
	ends.add(m.Close)
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	ends.add(transport.Close)
	conn, err := grpc.NewClient("enmesh:///payments", meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
	if err != nil {
		return nil, err
	}
	ends.add(conn.Close)
	return &caller{m, &http.Client{Transport: transport, Timeout: 10 * time.Second}, conn}, nil
}

// ask calls orders, with a token if there is one, and says what became of it.
func (c *caller) ask(ctx context.Context, method, path, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://orders"+path, http.NoBody)
	if err != nil {
		return "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return answerOf(c.web.Do(req))
}

// answerOf is the status and the body of an answer.
func answerOf(res *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, body), errors.Join(err, res.Body.Close())
}

// pay calls payments, and says what became of it.
func (c *caller) pay(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := grpc_health_v1.NewHealthClient(c.payments).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return status.Code(err).String()
}
