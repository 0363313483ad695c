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
// # What is checked, in which order
//
// At least TLS 1.3. The peer's leaf is an X.509 SVID with exactly one URI name;
// its chain leads, now, to a root of the trust domain in that name, for the use it
// is put to; the name is one that is expected, compared whole. Host names, common
// names and DNS names are not looked at. All of it happens within the handshake
// and on resumed sessions too. The source is read at each handshake: a renewed
// certificate, a new root and a withdrawn root count from the next connection on.
//
// # When something is missing
//
// A client that does not know whom it expects refuses ([ErrNoExpectation]). A
// process whose own certificate has ended refuses ([ErrNoIdentity]). Nothing falls
// back to plaintext, or to a weaker check.
//
// # Limits
//
// Connections that are open stay open when trust is withdrawn; bound their age in
// the transport. Certificate revocation lists are not read.
package mtls
