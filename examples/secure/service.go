// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/ca"
)

//go:embed policies
var files embed.FS

// policiesFor writes the policies out, with the address of the issuer, whose port is not
// known before.
func policiesFor(people *issuer, ends *cleanups) (dir string, err error) {
	text, err := files.ReadFile("policies/security.yaml")
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "secure"); err != nil {
		return "", err
	}
	ends.add(func() error { return os.RemoveAll(dir) })
	text = []byte(strings.ReplaceAll(string(text), "127.0.0.1:8444", people.addr))
	return dir, os.WriteFile(filepath.Join(dir, "security.yaml"), text, 0o600)
}

// service is a process that is called.
type service struct {
	name string
	mesh *mesh.Mesh
	addr string
}

// open joins the mesh, and listens as policy says.
func open(ctx context.Context, name string, authority *ca.Development, policies string, ends *cleanups) (*service, net.Listener, error) {
	identity, err := authority.Source("default", name)
	if err != nil {
		return nil, nil, err
	}
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: name}),
		mesh.WithCertificates(identity),
		mesh.WithPolicies(policies),
	)
	if err != nil {
		return nil, nil, err
	}
	ends.add(m.Close)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	return &service{name, m, l.Addr().String()}, m.Listen(l), nil
}

// startOrders serves orders over HTTP.
func startOrders(ctx context.Context, authority *ca.Development, policies string, ends *cleanups) (*service, error) {
	s, l, err := open(ctx, "orders", authority, policies, ends)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "order %s", r.PathValue("id"))
	})
	mux.HandleFunc("GET /orders/ledger", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "all that anybody has ever bought")
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "an order for %s", r.Header.Get("X-Person"))
	})
	server := meshhttp.NewServer(meshhttp.NewHandler(mux, s.mesh.Inbound()))
	serve(server, l, ends, server.Close)
	return s, nil
}

// startPayments serves payments over gRPC.
func startPayments(ctx context.Context, authority *ca.Development, policies string, ends *cleanups) (*service, error) {
	s, l, err := open(ctx, "payments", authority, policies, ends)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(meshgrpc.NewServer(s.mesh.Inbound(), meshgrpc.WithListener()).Options()...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	serve(server, l, ends, func() error { server.Stop(); return nil })
	return s, nil
}

// serve serves until the end.
func serve(server interface{ Serve(l net.Listener) error }, l net.Listener, ends *cleanups, stop func() error) {
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	ends.add(func() error {
		err := stop()
		if ended := <-done; ended != nil && !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	})
}

// endpoint is what a registry says of the service. Callers accept nobody there but whose
// certificate names this service account.
func (s *service) endpoint() discovery.Endpoint {
	return discovery.Endpoint{Addrs: []string{s.addr}, Namespace: "default", ServiceAccount: s.name}
}
