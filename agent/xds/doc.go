// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package xds serves xDS to clients of gRPC: what a plain gRPC program in any
// language hears when it dials "xds:///reviews".
//
// It knows the protocol and no policy. A [Catalog] says what each node is to be
// told, one resource at a time; a [Server] carries that to every stream that asked
// for it, and remembers what each client made of it.
//
//	server, err := xds.New(xds.Config{Catalog: catalog})
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	socket, err := xds.ListenUnix("/run/enmesh/xds.sock", xds.UnixConfig{})
//	if err != nil {
//		return err
//	}
//	go server.Serve(socket)
//
// A client's bootstrap then has "server_uri": "unix:///run/enmesh/xds.sock".
//
// # The order of things
//
// A stream's first request says who the node is. When the catalog is ready, and
// not before, each name asked for becomes one watch of the catalog, and what the
// catalog tells becomes one response of the kind: at once for what is asked for
// anew and for the first endpoints that change after a pause, else after a short wait
// for further changes ([Config.Debounce]). The next
// response of a kind goes out when the client has answered the last, and then says
// the latest: a slow client misses versions, and holds nothing back but itself.
//
// A response of listeners or of clusters is the whole of what the stream asked for
// and the catalog has, since clients delete what is missing in it. One of routes or
// of endpoints has what is new.
//
// # Who a node is
//
// What a client says of itself is in its bootstrap file, under "node": "id", "cluster",
// "locality", and in "metadata" the keys
//
//	"namespace"        the workload's namespace
//	"service_account"  its service account
//	"labels"           its labels, an object of strings
//
// Istio's own keys, NAMESPACE, SERVICE_ACCOUNT and LABELS, are read where these are
// missing. All of it is the client's word, except over mutual TLS.
//
// # What a client refuses
//
// A client answers each response (ACK), or refuses it and says why (NACK). The
// resources that the reason names are not sent to it again in that version, on this
// stream or the client's next ones; it keeps, and is sent, the last version that it
// took. The others count as taken (gRFC A46). When the reason names none of several,
// they are sent once more, one at a time, to find out. A client that took no version
// at all hears of the refused one once for each subscription: it then has its reason
// to show, and would wait 15 s for nothing otherwise. [Server.Clients] tells all of
// that, and so does the client status service (CSDS), for tools.
//
// # Versions
//
// Each resource has its own version, a hash of its content. A response's version is
// made of those that the client has, so a restarted server, or a second one with the
// same content, says the same. Nonces are new with every process: an answer to a
// response of another is stale. A stale answer neither accepts nor rejects; the
// names in it count, being the client's latest.
//
// # The incremental form
//
// Delta xDS is served beside the state of the world, which is what clients of gRPC speak.
// What was removed, and what was asked for by name and does not exist, is said, of routes
// and endpoints too. What is asked for again is sent again. A client that comes back and
// tells the versions that it has (initial_resource_versions) is sent what differs; what it
// has by a subscription to all ("*") and the catalog has not spoken of, it keeps for
// [Config.Resume]. One response of a kind is on its way at a time.
//
// # Who may connect
//
// A unix socket of mode 0600 whose peers the kernel names ([ListenUnix]); TCP on
// loopback ([ListenLoopback]); any TCP with mutual TLS ([ListenTLS]), where the
// certificate decides about namespace and service account. [Config.Allow] narrows
// what a node may see.
//
// # Giving way
//
// [Server.Close] ends all streams at once, and clients keep what they have until they
// find a server again. [Server.Drain] makes room for another process on the same address
// and sends the clients there one by one.
//
// # Limits
//
// Requests, names, nodes and responses are bounded ([Limits]). A client that leaves a response unread or unanswered for 45 s, while
// there is more to say, has its connection closed. The resources' bytes are shared
// by all streams and never copied before they reach a connection's buffer.
//
// Sources: the xDS protocol of Envoy's documentation; gRFC A27, A30, A40, A46, A57.
package xds
