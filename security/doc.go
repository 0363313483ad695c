// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package security holds identity as values: who a workload is, how that is read
// from a certificate, and who vouches for it.
//
// A workload is named by a SPIFFE ID, an [ID]. It proves the name with an X.509
// certificate that carries it as its only URI name. Whether the proof counts is
// decided by the root certificates of the trust domain in the name. An
// [Identity] is all of that in one immutable value, and a [Source] answers with
// the present one, so that certificates can be renewed while the process runs.
//
//	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
//	...
//	source, err := authority.Source("default", "bookinfo-reviews")
//	...
//	server := &http.Server{
//		TLSConfig: mtls.Server(source),
//		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			peer, err := security.PeerID(r.TLS)
//			if err != nil {
//				http.Error(w, "who are you?", http.StatusForbidden)
//				return
//			}
//			fmt.Fprintln(w, "hello", peer.ServiceAccount(), "of", peer.Namespace())
//		}),
//	}
//
// # Rules
//
//   - One name: exactly one URI SAN. The common name, DNS names and headers name
//     nobody, and nothing falls back to them.
//   - Whole names: IDs are compared with ==, never by prefix or pattern.
//   - The peer's own roots: a certificate is verified against the roots of the
//     trust domain it names. Another domain's root does not vouch for it.
//   - Verified or nothing: [PeerID] answers only for certificates that the
//     handshake verified.
//   - Keys stay out of text: no error and no form of printing shows a private key.
//
// Package mtls makes TLS configurations and listeners of this, reads identities from files,
// and closes connections whose peer is not believed any more; package ca is a certificate
// authority for development.
//
// # When a certificate runs out
//
// A [Monitor] is a Source that watches another one. Its [Status] says how long the
// certificate is good, how often it changed and why it does not; [Monitor.Ready] is an
// error while too little of its life is left, so that a process that cannot renew is taken
// out before its calls fail:
//
//	monitor, err := security.NewMonitor(source, security.MonitorConfig{})
//	...
//	go monitor.Run(ctx) // tells at half, a quarter and a tenth of its life
//
// # Limits
//
// A revocation list is read where mtls.NewCRL is given one; without it certificates are
// meant to live an hour, and trust is withdrawn by removing a root.
package security
