// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package meshgrpc joins grpc-go to the mesh: dial options for clients, server
// options for servers, and nothing of the program's own code changes.
//
// # A client
//
// A [Client] takes a Router, which says what happens to each call, and a Source,
// which knows where services are. Its DialOptions make an ordinary *grpc.ClientConn:
//
//	client := meshgrpc.NewClient(router, source)
//	cc, err := grpc.NewClient("enmesh:///ratings", client.DialOptions()...)
//	if err != nil {
//		return err
//	}
//	defer cc.Close()
//	ratings := pb.NewRatingsClient(cc)
//
// The interceptor runs the route's chain; retries, breakers, telemetry stand in it.
// The RPC's context carries the enmesh.Call, and the balancer picks with it: one
// ClientConn serves weighted splits, subsets and rewrites, since the balancer keeps
// one set of connections for each cluster that calls were sent to.
//
// # A server
//
//	server := grpc.NewServer(meshgrpc.NewServer(router).Options()...)
//
// Its Options bound what a client can make it hold or do, where grpc-go's own defaults do
// not: 8 KiB of metadata, messages of 4 MiB, 100 calls at once over a connection, windows of
// 64 KiB and 1 MiB, 5 s for the handshakes, and no more frames that make work for nothing
// than 1000 a second. Each has an option. How many connections there may be is for the
// program to say ([WithMaxConnections]).
//
// # Errors
//
// Inside a chain an RPC's error is an *enmesh.Error that says what it means for the
// far side. Outside, the caller gets the far side's own status error, untouched; what
// a policy said becomes a status error from which errors.As leads to the
// *enmesh.Error. On the server a policy's refusal that names a wait carries RetryInfo
// and the grpc-retry-pushback-ms trailer, and a client reads both.
//
// A call is known to be unsent, and so may be sent again whatever its method, when no
// stream was opened for it, or the far side's transport refused the stream or left it
// behind a GOAWAY. A method is idempotent when its descriptor, if linked into the
// program, has an idempotency_level.
//
// # Streams
//
// Client-streaming and bidi calls run their chain before the stream is handed out, and
// may be retried until it is open. So do server-streaming calls, except on a route that
// resends: there the chain runs on a goroutine of its own, from SendMsg on, and the
// call may be retried until response headers arrive; errors of the chain come from
// RecvMsg. A stream ends, for gates and telemetry, when grpc says so: at its end, an
// error, a cancel, or the end of its connection. A caller that abandons a stream must
// cancel its context, as grpc asks anyway.
//
// # Deadlines
//
// The far side is told a little less than what is left of a deadline (see
// [WithDeadlineSlack]); the call itself ends by all of it. With less than a millisecond left
// nothing is sent. A server believes the caller of a unary method [WithMaxDeadline], and does
// not run a handler for whom nobody waits any more.
//
// # How calls find endpoints
//
// Endpoints do not travel through grpc's resolver, which copies all of them on every
// change: the balancer subscribes to the cluster and hears what was added and removed.
// A call waits while its cluster is not known yet or is being connected to for the
// first time. It fails at once (Unavailable, with the flag UH, NC or UF) when the
// cluster is empty, unknown, or all connections have failed; a call that waits for
// readiness waits then too. A connection that was lost is made again at once, and
// after a failure in 1 s, growing by 1.6 to 3 s, give or take a fifth: no call is spent on
// that, a host that is down is connected to at most once a second by one ClientConn, and
// one that is back gets calls within 4 s. What follows for latency: a pick that found its
// connection just lost waits for the next picker, at most 2 ms. Several addresses of
// one endpoint are tried by grpc's own pick_first.
//
// The first calls of a client go where all later ones do: one whose key belongs to an
// endpoint that is being connected to for the first time waits for that one, and so does
// one that prefers a zone of which nothing is connected yet. It goes on at once when
// connecting fails, and after a second, or ConnectTimeout where that is less, whatever
// happens; a second attempt does not wait, and endpoints that join later are not waited
// for. Where one endpoint is as good as another, the first that is connected serves.
//
// A connection that has received GOAWAY takes no new calls: grpc tells the balancer at
// once, before the connection refuses any, and calls it left behind go elsewhere.
// [Graceful] is the server's side.
//
// # One view of a call
//
// grpc runs a registered method for its exact path only, and so the path that policies
// compare is that of the handler. Where the program has a grpc.UnknownServiceHandler, which
// gets whatever path there is, a server of this package hands it nothing but a well-formed
// "/package.Service/Method": "//shop.Cart/Add", "/x/shop.Cart/Add" and "/shop.Cart/Add?x"
// are Unimplemented before a policy runs, and so is the name of a service or method linked
// into the program that is written in other letters. The authority is in lower case and
// without the dot of a full name, for policies as in the handler's metadata; one with user
// info is refused. Keys in which anybody could claim to be somebody are taken off the
// metadata (see [WithStrippedMetadata]).
//
//	server := meshgrpc.NewServer(m.Inbound(), meshgrpc.WithStrippedMetadata("x-role"),
//		meshgrpc.TrustMetadataOf(func(p *enmesh.Peer) bool { return p.Identity == gateway }))
//
// # Connections
//
// How an endpoint is connected to is balance.ConnectionConfig's to say: that of the
// destination first, then [WithConnection]. A connection that reaches MaxAge is replaced:
// another one is made, calls go there when it is ready, and those on the old one finish
// before it is closed. A stream that outlives it is not cut.
//
// A connection that the Source secures is replaced likewise before a certificate of either
// side ends, after 40 min at the latest. Every 2 s the Source's configuration verifies the
// server again: when its certificate has ended, or policy or the roots have changed so that
// it would not be let in now, the connection is closed with its calls and streams. One in
// plaintext is replaced when policy wants TLS, and closed 2 s later.
//
// A far side that dies without a word is found out within 15 s of silence while calls are
// in flight, by an HTTP/2 PING after 10 s. Servers count pings that come while they have
// nothing to send; grpc's own default is to close a connection, calls and all, at the third
// in 5 minutes, so that grpc-go's own keepalive, at 10 s, ends every call that is silent
// for 40. This package therefore pings by itself, between the frames that grpc writes: twice
// in a silence, then every 5 minutes. A server made with [Server.Options] breaks the silence
// itself, every 9 s, so that a client finds its death whenever it comes. Besides, TCP probes
// a connection that carries nothing and gives it up after 14 s, and sent data may go
// unacknowledged for as long.
//
// # Limits
//
// On targets that the mesh does not resolve (xds:///, dns:///) the interceptors
// ([Client.InterceptorOptions], [Server.Unary], [Server.Stream]) work, less what needs our
// balancer: endpoint gates, the endpoint's name in telemetry, avoiding endpoints already
// tried, the pushback trailer, and knowing that a call was unsent. Closing a ClientConn
// under a stream ends it as Canceled or as Unavailable, by race, so statistics that
// connections share may see one failure. An answer that a policy makes up has no gRPC
// message; its status alone counts. A foreign server whose process hangs, or behind a
// proxy, is found out only at the next ping where a call was silent for longer than 20 s
// before, within 5 min 20 s; a path that drops packets always is, by TCP.
package meshgrpc
