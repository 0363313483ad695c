// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package dns finds endpoints in the domain name system.
//
// A [Resolver] asks DNS servers itself, because Go's own resolver does not say how long
// an answer holds. A service is named in one of two forms:
//
//   - "reviews.shop.internal:9080", a host and a port: an endpoint for every address of
//     the host, A and AAAA.
//   - "_grpc._tcp.reviews.shop.internal", an SRV name: an endpoint for every record, with
//     its port; the record's priority becomes the endpoint's (in rank: the lowest is 0)
//     and its weight the endpoint's weight. Several addresses of one target are one
//     endpoint with several addresses.
//
// In a mesh, services have short names; Config.Query turns these into what DNS knows:
//
//	registry, err := dns.New(dns.Config{
//		Query: func(service string) string { return "_grpc._tcp." + service + ".service.consul" },
//	})
//	if err != nil {
//		return err
//	}
//	m, err := mesh.Open(ctx, mesh.WithResolver(registry))
//
// # When DNS is asked again
//
// When the shortest time to live among the records of an answer has passed, but not
// sooner than MinTTL and not later than MaxTTL, plus up to a tenth, so that processes
// that began together do not go on together. Servers are asked in their order, over UDP
// and, where the answer does not fit, over TCP.
//
// # What an answer means
//
// A name that does not exist is an error that wraps discovery.ErrUnknownService and
// then the empty set; a name without addresses is the empty set. Everything else that is
// no answer (a server that fails, refuses or is silent, a message that cannot be read)
// is an error: the last good set stays, and DNS is asked again after a random wait that
// grows from 100 ms to 10 s. Where one of several questions fails, the answer to it
// before is used. Put a discovery.Cache round the Resolver to share watches, to doubt
// sudden losses and to keep sets on disk; a mesh does so by itself.
//
// # Limits
//
// Answers are not validated with DNSSEC; a server that can be reached only over an
// untrusted network should be one on the same host. There is no cache of negative
// answers beyond the watch, no multicast DNS, and no reading of /etc/hosts. The system's
// search list and options are not used; Config.Search gives one.
package dns
