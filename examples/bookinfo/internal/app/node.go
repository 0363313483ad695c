// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/ratingspb"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/services"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// Node is one instance of a service, with all that a process of its own would have:
// identity, mesh, servers, clients and its place in the registry.
type Node struct {
	id       string
	workload mesh.Workload
	mesh     *mesh.Mesh
	registry *discovery.Memory
	log      *slog.Logger

	transport *meshhttp.Transport
	conns     []*grpc.ClientConn
	servers   []closer
	ports     []discovery.Port
	withdraw  func()
	closing   sync.Once
	err       error // of Close
}

// closer is a server: shutdown lets it finish what it has, kill does not.
type closer interface {
	shutdown(ctx context.Context) error
	kill()
}

// Open makes a Node without servers. ctx bounds the opening; the App closes it.
// instance tells equal workloads apart.
func (a *App) Open(ctx context.Context, w mesh.Workload, instance int) (*Node, error) {
	name := w.Service + "-" + w.Version
	w.Namespace, w.ServiceAccount = "default", "bookinfo-"+name
	identity, err := a.authority.Source(w.Namespace, w.ServiceAccount)
	if err != nil {
		return nil, err
	}
	events := a.cfg.Logger
	if w.Service == "ingress" { // all nodes read the same policies; one is enough to tell
		events = a.cfg.Events
	}
	m, err := mesh.Open(ctx,
		mesh.WithWorkload(w),
		mesh.WithPolicies(a.cfg.Policies),
		mesh.WithResolver(a.registry),
		mesh.WithCertificates(identity),
		mesh.WithTelemetry(outbound{a.table}),
		mesh.WithLogger(events))
	if err != nil {
		return nil, fmt.Errorf("app: %s: %w", name, err)
	}
	n := &Node{
		id:        name + "-" + strconv.Itoa(instance),
		workload:  w,
		mesh:      m,
		registry:  a.registry,
		log:       a.cfg.Logger,
		transport: meshhttp.NewTransport(nil, m.Outbound(), m),
		withdraw:  func() {},
	}
	a.nodes = append(a.nodes, n)
	return n, nil
}

// ID names the instance: "reviews-v1-0".
func (n *Node) ID() string { return n.id }

// Mesh is the node's mesh.
func (n *Node) Mesh() *mesh.Mesh { return n.mesh }

// HTTP is a plain client whose calls cross the mesh.
func (n *Node) HTTP() *http.Client { return &http.Client{Transport: n.transport} }

// GRPC is a plain connection to a service ("ratings:9081") whose calls cross the mesh.
// The Node closes it.
func (n *Node) GRPC(target string) (*grpc.ClientConn, error) {
	cc, err := grpc.NewClient("enmesh:///"+target, meshgrpc.NewClient(n.mesh.Outbound(), n.mesh).DialOptions()...)
	if err != nil {
		return nil, fmt.Errorf("app: %s to %s: %w", n.id, target, err)
	}
	n.conns = append(n.conns, cc)
	return cc, nil
}

// httpPort is the port of every service's HTTP, as callers know it.
const httpPort = 9080

// serveHTTP serves h over mutual TLS on a free port, as the service's port for HTTP.
func (n *Node) serveHTTP(h http.Handler) error {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	s := serve(l, meshhttp.NewHandler(h, n.mesh.Inbound()), n.mesh.ServerTLS(), n.log)
	n.listens(s, "http", httpPort, addrOf(l).Port())
	return nil
}

// serveRatings serves r over mutual TLS on a free port, as the service's port.
func (n *Node) serveRatings(port uint16, r ratingspb.RatingsServer) error {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(meshgrpc.NewServer(n.mesh.Inbound(), meshgrpc.WithTLS(n.mesh.ServerTLS())).Options()...)
	ratingspb.RegisterRatingsServer(s, r)
	n.listens(serveGRPC(l, s), "grpc", port, addrOf(l).Port())
	return nil
}

func (n *Node) listens(s closer, protocol string, port, target uint16) {
	n.servers = append(n.servers, s)
	n.ports = append(n.ports, discovery.Port{Name: protocol, Number: port, Target: target, Protocol: protocol})
}

// announce registers the node until withdraw is called.
func (n *Node) announce() {
	ctx, cancel := context.WithCancel(context.Background())
	in := discovery.Instance{
		Service: n.workload.Service,
		ID:      n.id,
		Endpoint: discovery.Endpoint{
			Addrs:          []string{"127.0.0.1"},
			Ports:          n.ports,
			Version:        n.workload.Version,
			Labels:         map[string]string{"app": n.workload.Service, "version": n.workload.Version},
			Namespace:      n.workload.Namespace,
			ServiceAccount: n.workload.ServiceAccount,
		},
	}
	var held sync.WaitGroup
	held.Go(func() {
		if err := n.registry.Register(ctx, in); err != nil {
			n.log.Error("not registered", "instance", n.id, "error", err)
		}
	})
	n.withdraw = func() {
		cancel()
		held.Wait()
	}
}

// ingress is the handler of the edge.
func (n *Node) ingress() http.Handler {
	return services.Ingress(n.transport, slog.NewLogLogger(n.log.Handler(), slog.LevelWarn))
}

// Kill ends the node's servers as a crash would: listeners and connections are gone at
// once, and the registry does not know.
func (n *Node) Kill() {
	for _, s := range n.servers {
		s.kill()
	}
}

// Close takes the node out of the registry, lets its servers finish what they have
// until ctx ends, and closes its clients and its mesh. Later calls return what the first
// did.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Do(func() { n.err = n.close(ctx) })
	return n.err
}

func (n *Node) close(ctx context.Context) error {
	n.withdraw()
	var errs []error
	for _, s := range n.servers {
		errs = append(errs, s.shutdown(ctx))
	}
	for _, cc := range n.conns {
		errs = append(errs, cc.Close())
	}
	errs = append(errs, n.transport.Close(), n.mesh.Close())
	return errors.Join(errs...)
}
