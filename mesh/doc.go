// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package mesh puts the pieces together for one process: policy files, a registry
// and an identity become a Router for calls out, a Router for calls in, and the
// clusters that calls out are balanced over.
//
// # The model
//
//	m, err := mesh.Open(ctx,
//		mesh.WithWorkload(mesh.Workload{Service: "productpage", Version: "v1"}),
//		mesh.WithResolver(registry),
//		mesh.WithPolicies("policies/"),
//		mesh.WithCertificates(identity),
//	)
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//
//	client := &http.Client{Transport: meshhttp.NewTransport(nil, m.Outbound(), m)}
//	server := meshhttp.NewServer(meshhttp.NewHandler(mux, m.Inbound()))
//	go server.Serve(m.Listen(l))
//	conn, err := grpc.NewClient("enmesh:///ratings", meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
//	grpcServer := grpc.NewServer(meshgrpc.NewServer(m.Inbound(), meshgrpc.WithListener()).Options()...)
//	go grpcServer.Serve(m.Listen(forRPC))
//
// The mesh imports neither adapter, so that a program which speaks only HTTP
// compiles no gRPC.
//
// # The order of things
//
// Outbound, outermost first: recover, tracing, telemetry of the call, the program's
// own middleware, the criticality header, CORS, fault, header edits, rewrite, mirror, the key of
// a consistent hash, timeout, Fallback, RateLimit, Throttle, the retry budget, Hedge, retry,
// CircuitBreaker, ConcurrencyLimit, the limit of requests to the destination, attempt
// timeout, telemetry of the attempt; then the pick and the endpoint's gates (outlier
// detection). A redirect or a direct response stands in the place of all from CORS on. A mirrored call has a chain of its
// own: recover, telemetry of the call, the limit of its destination, telemetry of the
// attempt. Inbound: recover, tracing, telemetry, the criticality header, the program's own
// middleware, CORS, RequestAuthentication, AuthorizationPolicy, RateLimit, Shed,
// ConcurrencyLimit, the handler.
//
// # Services beside the registry
//
// A host of a ServiceEntry is a service like any other: its endpoints are in the document,
// or are looked up ([WithDNS]), and it goes before one that the registry has. Policy itself
// is in files ([WithPolicies]), or elsewhere ([WithPolicySource]).
//
// # Who may call
//
// [Mesh.Listen] takes connections as PeerAuthentication says; policy then says whose tokens
// count, and who may call what. [Mesh.ExplainAuthz] names the rule, file and line that allow
// or deny a call. Without documents of security.istio.io mutual TLS is strict as soon as the
// process has an identity; with any, Istio's defaults hold. What policy asks for and the
// program must give (who decides for CUSTOM, whom an audit tells, who counts the limits of a
// fleet) are options.
//
// # From the first listener to the last call
//
// [Run] serves until a signal comes, and ends so that no call is lost: not ready,
// deregistered, a wait for callers to hear of it, the hint to those who still call, no new
// connections, the calls in flight, exit. A second signal cuts what is left.
//
//	web := meshhttp.NewServer(meshhttp.NewHandler(mux, m.Inbound()))
//	return mesh.Run(ctx, m,
//		mesh.Serving{Server: meshhttp.Graceful(web), Addr: ":9080", Protocol: "http", Guarded: true},
//		mesh.WithRegistrar(registry),
//		mesh.WithHealth(":8081"),
//	)
//
// [Mesh.Health] says at each step how things stand. [Mesh.Close] comes last: it waits, 5 s at
// most, for the calls that are still in flight, those that the process makes included.
//
// # Why a call goes where it goes
//
// [Mesh.Explain] says what would become of a call, without sending it: by which rule of
// which file it goes and why not by those before, and of each endpoint whether it may be
// picked now, and why not. [Mesh.Decisions] are the last calls that were made.
// [Mesh.Explainer] answers both over HTTP, and [WithStatus] serves it.
//
//	x, err := m.Explain(ctx, mesh.Query{Host: "reviews", Path: "/1", Header: http.Header{"End-User": {"jason"}}})
//	if err != nil {
//		return err
//	}
//	fmt.Print(x)
//
// # What a reload keeps
//
// Policy is compiled, checked and swapped as one snapshot; calls in flight finish in
// the chain they began in. A budget, a limit, an ejection whose own configuration
// did not change goes on as it was ([Keep]), and so do the keys of token issuers. Clusters and the statistics of their
// endpoints stay. What does not compile is not published: the last good policy
// serves, and [Mesh.Status] and the log say what is wrong, with file and line.
//
// # Limits
//
// A service that no policy names is balanced and retried as Istio does by default.
// Names that neither policy nor the registry knows are refused with 404, flag NR, or
// passed through ([WithOutboundMode]); a route to a service or a subset that is not
// there is refused with 503, flag NC.
package mesh
