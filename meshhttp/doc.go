// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package meshhttp runs enmesh's chains on net/http: a [Transport] for clients and a
// [Handler] for servers.
//
// net/http has one place for policy on each side, http.RoundTripper and
// http.Handler, but neither says when a call has finished: a response is in hand
// while its body still streams, and a handler has returned while its connection was
// taken over. Nor does it tell a request that never left from one that may have been
// done. This package adds both, once, so that a retry, a breaker or a histogram is
// written without knowing HTTP.
//
// A client that tries again, and takes the least loaded of two endpoints:
//
//	again, err := retry.New(retry.Config{MaxAttempts: 3})
//	if err != nil {
//		return err
//	}
//	services := map[string][]discovery.Endpoint{
//		"reviews": {{Addrs: []string{"10.0.0.1:9080"}}, {Addrs: []string{"10.0.0.2:9080"}}},
//	}
//	source := balance.NewStaticSource(services, balance.LeastRequest(2))
//	client := &http.Client{Transport: meshhttp.NewTransport(nil, enmesh.Fixed(true, again), source)}
//	resp, err := client.Get("http://reviews/1")
//
// A server that admits a hundred requests a second:
//
//	limit := enmesh.Guard(bucket)
//	handler := meshhttp.NewHandler(mux, enmesh.Fixed(false, limit))
//	http.ListenAndServe(":9080", handler)
//
// With a mesh, its Outbound and Inbound routers and the mesh itself stand where Fixed
// and the static source stand here.
//
// # A call on the client
//
// The URL's host is the destination, its port the service port. The Router chooses
// the route, the route's chain runs, and at its inner end the Transport picks an
// endpoint, passes its gates, and sends. A status of 400 and above is an error
// inside: a retry sees it, a breaker counts it. Outside it is the response that the
// server sent, untouched, if the chain's last error is the one that stands for it.
// Any other error of the chain is returned; errors.As finds the *enmesh.Error.
//
// The call ends with the response's body: read to its end, broken, or closed. HEAD,
// 204, 304 and empty answers end at once, an upgraded connection (101) when it is
// closed. A body that is neither read nor closed holds its place in flight for ever;
// [EndOnCancel] bounds that by the context.
//
// # What may be sent again
//
// GET, HEAD, OPTIONS, TRACE, PUT, DELETE and whatever carries Idempotency-Key or
// X-Idempotency-Key are idempotent. Everything else is sent again only if it
// provably never reached the application: no connection came about, or HTTP/2
// refused the stream (REFUSED_STREAM, GOAWAY below it). A connection that ends
// later, even before the first byte of an answer, proves nothing.
//
// A request that met a kept connection which the server had closed before anything was
// written to it is sent again at once to the same endpoint, on any route, whatever its
// method, if its body can be had again or nothing was read of it: up to three times over
// other kept connections, and three times over new ones. That is no attempt more, and no
// retry's budget is spent.
//
// So is what net/http would repeat by itself, if its body can be had again: GET, HEAD, OPTIONS,
// TRACE and what carries one of those keys, up to three times when a kept connection of
// HTTP/1.1 ends before an answer; any request, up to six times, that a GOAWAY left behind, or
// whose connection of HTTP/2 takes no more; and once what HTTP/2 refused. There is no pause
// between. A new connection that ends before anything was written to it is a failure of its
// endpoint, unsent: a retry goes elsewhere. A base that is not an *http.Transport repeats as
// it likes, but on a route that resends a body no more than once an attempt.
//
// # Connections
//
// Each endpoint has connections of its own. How many there may be, how long they live and
// idle, what they carry, and what is spoken on them is balance.ConnectionConfig's to say:
// that of the destination first, then [Connection], then what the base's own fields say
// (MaxConnsPerHost, MaxIdleConnsPerHost, MaxIdleConns, IdleConnTimeout and the rest, for each
// endpoint). net/http makes and speaks over them; which one carries a call is chosen here.
// Calls that begin before the first connection over HTTP/2 is there wait for it and share it,
// where net/http would make one, handshake and all, for each; a call that finds all of them
// full gets one more.
//
//	transport := meshhttp.NewTransport(nil, router, source, meshhttp.Connection(balance.ConnectionConfig{
//		MaxConnections: 50, MaxPending: 100, MaxAge: 10 * time.Minute,
//	}))
//
// A connection that ends by its age or its number of calls ends between calls: none fails
// for it. One that idles is closed by this side after 45 s, or three quarters of the time
// that an HTTP/1.1 server names in Keep-Alive. That is to be sooner than the server does
// it: a request that is written just as the server closes may have been processed, and
// fails. An HTTP/2 connection that is silent is pinged after 10 s and given up after 15;
// over HTTP/1.1 TCP's probes do that, in 14 s, but not while bytes of a request are
// unacknowledged: a deadline bounds that. An endpoint that cannot be connected to within
// 25 ms, and has not answered before, gets no more calls until it is connected, while
// others are ready.
//
// Connections that the Source secures are replaced between calls before a certificate of
// either side ends, after 40 min at the latest. Every 2 s the Source's configuration
// verifies the server again: when its certificate has ended, or policy or the roots have
// changed so that it would not be let in now, the connection is closed with what is on it.
//
// # Endpoints that are down
//
// An endpoint that could not be connected to rests: 1 s at first, growing by 1.6 to 10 s
// while another endpoint of the destination answers, and to 3 s while none does, or up to
// a fifth more. When that has happened twice, with neither a connection nor an answer
// between, it is down: after its rest one call tries it, and no other goes there until that
// is connected. Where all are down, calls are refused at once (503, UH) with the time until one is tried
// again as RetryAfter: a host that is down is connected to at most once a second by one
// Transport, and one that is back is found within 4 s by the calls that come.
//
// # Endpoints that are about to end
//
// [DrainingHeader] on an answer says that an endpoint is about to end, and so do, with less
// certainty, "Connection: close" over HTTP/1.1 that this side did not ask for and a
// request left behind by GOAWAY. It gets no new calls while another is ready, until it
// leaves the set or 30 s have passed. An endpoint that closes connections again and
// again and stays is believed for less each time, down to 3 s, and one that never
// keeps a connection is not believed any more. net/http keeps a GOAWAY that
// left no request behind to itself: the next request then makes a new connection, which
// an endpoint that has closed its listener refuses, and goes elsewhere. [Graceful] is
// the server's side.
//
// # Deadlines
//
// A client whose context has a deadline announces what is left of it, less
// [DeadlineSlack], in milliseconds, in [DefaultDeadlineHeader]. The Handler gives its context that
// deadline, cut to [MaxDeadline], and refuses work whose time is over with 504
// before it starts. It bounds the time to the head of the answer; what streams after
// it goes on until the caller hangs up.
//
// # A request on the server
//
// The handler stands at the inner end of the chain. What it writes is out at once,
// so that an error of the chain afterwards is only accounted. What is refused before
// it ran is answered with the error's status, "policy: cause" as text, and
// Retry-After where the error has one.
//
// # What a client can make a server do
//
// [NewServer] makes a server that bounds it, with defaults that can be left alone: 16 KiB of
// header within 5 s, a body that does not stop for a minute, 100 requests at once over a
// connection of HTTP/2, windows of 64 KiB and 1 MiB, a minute of idling, and no more frames
// that make work for nothing than 1000 a second. How many connections there may be, how long
// a body or the writing of an answer, is for the program to say ([MaxConnections],
// [MaxBody], [WriteTimeout]).
//
//	server := meshhttp.Graceful(meshhttp.NewServer(handler))
//
// Requests of HTTP/1.1 that another server may read differently are refused (see [Server]):
// that needs the server, a [Handler] on one of net/http's own does not get to see it.
//
// # One view of a request
//
// Before its chain runs, a Handler brings what a request asks for into one form, and the
// policies and the handler see that form and no other: Call.Path is the handler's URL.Path,
// and RequestURI, RawPath and URL.String say the same; Call.Authority is its Host, in lower
// case and without the dot of a full name; absolute targets become paths. What two readers
// could take for two things is refused with 400 before any policy or handler runs, and
// counted: "/public/..%2fadmin", "/admin;x", "/%2561dmin", a host with user info. Methods
// other than those of [AllowMethods] get 405, CONNECT 400, and a request over TLS for
// another host than its connection was made to 421 (see [CheckOutside]). "OPTIONS *" is
// answered and reaches no policy.
//
//	handler := meshhttp.NewHandler(mux, m.Inbound(),
//		meshhttp.WithPathNormalization(meshhttp.PathMergeSlashes), // for names with "%2F"
//		meshhttp.WithStrippedHeaders("X-Role"),
//		meshhttp.TrustHeadersOf(func(p *enmesh.Peer) bool { return p.Identity == gateway }))
//
// Headers in which anybody could claim to be somebody are taken off, in the header and in
// trailers (see [WithStrippedHeaders]). A handler that reads "/Admin" as "/admin" says so
// with [FoldPathCase]; one that takes a prefix off does it with [StripPrefix]. A handler
// that decodes URL.Path once more, or takes parameters off it, finds nothing to do as long
// as paths are strict; the levels of Istio, which are laxer, leave it some.
//
// # Cost
//
// A call costs one allocation on either side, its record; a header written on the
// client copies the map, once for each attempt that writes. So does a header of which
// something is taken off on the server; a path that has to be changed costs three.
package meshhttp
