// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package mtls makes TLS configurations in which both sides prove who they are.
//
// [Client] and [Server] take a [security.Source] and give a *tls.Config that
// net/http, grpc or anything else uses as it is:
//
//	files, err := mtls.NewFiles(mtls.FilesConfig{
//		Cert: "/var/run/identity/cert.pem",
//		Key:  "/var/run/identity/key.pem",
//		CA:   "/var/run/identity/ca.pem",
//	})
//	if err != nil {
//		return err
//	}
//	defer files.Close()
//
//	server := &http.Server{Handler: h, TLSConfig: mtls.Server(files)}
//	go server.ServeTLS(listener, "", "")
//
//	reviews := security.MustParseID("spiffe://cluster.local/ns/default/sa/bookinfo-reviews")
//	client := &http.Client{Transport: &http.Transport{
//		TLSClientConfig:   mtls.Client(files, reviews),
//		ForceAttemptHTTP2: true,
//	}}
//
// For grpc, credentials.NewTLS(mtls.Server(files)) does the same.
//
// [NewListener] shakes hands itself: it bounds the time for that, bounds the age of
// connections, and takes plaintext beside TLS on one port where a [Mode] says so. net/http
// serves what it gives as it is, and grpc with meshgrpc.WithListener:
//
//	listener, err := mtls.NewListener(port, mtls.ListenerConfig{Source: files, Mode: modes})
//	...
//	go server.Serve(listener)
//
// Hosts outside of the mesh have names of other kinds: [NewOriginator] makes the client's
// side of connections to them, from files, with a DestinationRule's settings.
//
// # What is checked, in which order
//
// At least TLS 1.3. The peer's leaf is an X.509 SVID with exactly one URI name;
// its chain leads, now, to a root of the trust domain in that name, for the use it
// is put to; the name is one that is expected, compared whole. Host names, common
// names and DNS names are not looked at. All of it happens within the handshake
// and on resumed sessions too. The source is read at each handshake: a renewed
// certificate, a new root and a withdrawn root count from the next connection on.
//
// # While a connection is open
//
// The peer is asked for again every 2 s: the connection is closed when its certificate has
// ended or is revoked ([NewCRL]), when the root that vouched for it is withdrawn, and when
// our own certificate has ended. On servers this is true of everything that is made here;
// clients need an adapter that does it, which meshhttp and meshgrpc are. The adapters end
// connections softly, between calls, after half to four fifths of what was left of the
// certificates, and 40 min at the latest, so that renewed certificates are shown and no call
// is cut.
//
// # When something is missing
//
// A client that does not know whom it expects refuses ([ErrNoExpectation]). A
// process whose own certificate has ended refuses ([ErrNoIdentity]). Nothing falls
// back to plaintext, or to a weaker check.
//
// # Limits
//
// Files are found to have changed by reading them, every 250 ms: that works for every kind
// of file system and every way to replace a file. A session of TLS is resumed only with
// [Tickets], and is then verified like a new connection. The standard library's check of a
// client's chain comes before the bounds on its length: it gives up after 100 signatures.
package mtls
