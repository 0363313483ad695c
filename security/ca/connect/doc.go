// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package connect takes a service's identity from the certificate authority of Consul's
// service mesh, through the API of the agent on this host:
//
//	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
//	defer cancel()
//	source, err := connect.New(ctx, connect.Config{Service: "reviews"})
//	if err != nil {
//		return err
//	}
//	defer source.Close()
//	server := &http.Server{Handler: h, TLSConfig: mtls.Server(source)}
//
// So a program meets services behind Consul's proxies, and others that are natively
// integrated, as one of theirs. It is named by
// "spiffe://<trust domain>/ns/default/dc/<datacenter>/svc/<service>": see [Service], which
// reads such an ID, and is what a client expects of a server:
//
//	reviews, err := source.Peer("reviews")
//	...
//	transport := &http.Transport{TLSClientConfig: mtls.Client(source, reviews)}
//
// Given to mesh.WithCertificates, the source names every service that the mesh calls in this way.
//
// Who may call is not in the certificate: package intentions asks Consul that.
//
// # Renewal
//
// Leaf and roots are followed by blocking queries. The agent makes a new leaf well before
// the old one ends, and when the authority changes; both are in force with the next
// handshake. What came is put in force when it fits: while a new leaf leads to a root
// that has not come yet, the old one stays.
//
// While the agent is down, or has no leader, or no longer takes the token, the last good
// identity stays in force until its end (72 hours for Consul's own authority), and
// [Source.Err] and [Config].OnUpdate say why. Then there is none, and no connection:
// nothing falls back to plaintext.
//
// # Limits
//
// Peered clusters and their trust domains are not known; federated datacenters share one.
// Partitions of Consul Enterprise are not supported.
package connect
