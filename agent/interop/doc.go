// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package interop holds the tests of the agent with programs of gRPC that nobody here
// wrote or changed: a client and a server of grpc-go, and a client of grpc-js. Each runs in
// a process of its own, with nothing but a bootstrap file to know the agent by, and is moved
// by lines of JSON over its standard input and output. The cases are those that gRPC
// publishes for the interoperation of its xDS clients, and the mesh's own.
//
// Node is found through the variable ENMESH_NODE, which make test sets to what
// tools/node/install provides.
package interop
