// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package spiffe takes a workload's identity from the SPIFFE Workload API, as SPIRE's agent
// and others serve it on a socket of the host:
//
//	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
//	defer cancel()
//	source, err := spiffe.New(ctx, spiffe.Config{Address: "unix:///run/spire/agent.sock"})
//	if err != nil {
//		return err
//	}
//	defer source.Close()
//	server := &http.Server{Handler: h, TLSConfig: mtls.Server(source)}
//
// The API pushes: a certificate that was renewed, a root that was added, a trust domain
// that was federated or is no longer is in force with the next handshake. The package
// imports grpc, which the API speaks; programs that take their identity elsewhere do not.
//
// # When the API is not well
//
// The last good identity stays in force until its end: while the socket is gone, while the
// agent stands still, when it answers with no identity, with one that has ended, with a key
// that is not the certificate's or without the roots of its own trust domain. [Source.Err]
// and [Config].OnUpdate say so. After the end there is no identity, and so no connection:
// nothing falls back to plaintext. A watch that stays silent until a quarter of the
// certificate's life is left is begun anew on a new connection.
//
// # Limits
//
// X.509 identities only, no JWT ones. With several identities and neither ID nor Hint the
// first is taken, which the standard makes the default one; the agent's administrator says
// which that is.
//
// Source: SPIFFE Workload API, sections 4 to 6; SPIFFE Workload Endpoint.
package spiffe
