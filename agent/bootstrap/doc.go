// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package bootstrap writes the file that a program on plain gRPC finds its agent by. Every
// implementation of gRPC reads the same one: Go, Java, C++, Python and Node.
//
//	text, err := bootstrap.Config{
//		Server:         "unix:///run/enmesh/xds.sock",
//		Namespace:      "shop",
//		ServiceAccount: "reviews",
//		Labels:         map[string]string{"app": "reviews", "version": "v1"},
//		Region:         "eu", Zone: "eu-1",
//		Certificates:   "/run/enmesh/certs/reviews",
//	}.JSON()
//
// The program's environment then has GRPC_XDS_BOOTSTRAP=<the file>, or the text itself in
// GRPC_XDS_BOOTSTRAP_CONFIG, before it starts: gRPC reads it once. `enmesh agent bootstrap`
// does the same from a shell.
//
// # What is in it
//
//   - xds_servers: the agent, and further ones in their order. Plaintext over a unix
//     socket and on this host; beyond it only TLS, with the workload's certificate. The
//     feature xds_v3 is for implementations older than 2022, which spoke v2 without it.
//   - node: who the workload is. The agent reads its metadata "namespace",
//     "service_account" and "labels", by which policy is chosen, and its locality, by which
//     endpoints are sorted.
//   - certificate_providers: where the workload's certificate, its key and the roots are,
//     see [Config.Certificates].
//   - server_listener_resource_name_template: how a server asks for its listener.
//
// # What is not
//
// There is no secret in it: the file may be read by everybody. It has no authorities
// (federation), as the agent serves one mesh.
//
// Not every client takes every part. A further server is for Go from 1.70, Java from 1.71
// and C++ and Python from 1.67; others, Node's among them, stay with the first one and with
// what they last heard. TLS to a server (type "tls") is for Go from 1.61 and C++ and Python
// from 1.65; the others know no credentials by that name and refuse the file. In Java a unix
// socket needs Netty's epoll transport. See [Config.TLS] and [Config.Fallback].
//
// Sources: gRFC A27, A29, A36, A53, A65, A71.
package bootstrap
