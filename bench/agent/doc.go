// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Agent measures what enmesh's xDS costs when many clients follow many services whose
// instances come and go.
//
//	go run ./agent            # in the directory bench
//
// Every row has a process with an agent, over a registry in memory and on a unix socket, and
// one for the clients: raw streams of the protocol, each a connection of its own, that read
// just enough to answer. A client asks for the listeners, the routes, the clusters and the
// endpoints of its services, as gRPC's do. Then the registry replaces one instance of a
// random service so many times a second. The new address holds the moment of the change; a
// client takes the time when it has read it. Both processes are on one machine and share its
// processors.
//
// Columns: how long a push takes from the change in the registry to the client, of all
// pushes; the processor time of the agent's process for one change, to all who follow the
// service, and how much of it goes to waking for the change and making it, which the same
// process did before, at the same pace, while nobody followed; its resident memory when all
// clients are in sync, and the most that it ever had; how long all clients took to be in sync
// after the first of them began.
//
// What it does not show: clients here are cheaper than gRPC's own, and none is far away.
package main
