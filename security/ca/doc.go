// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package ca is a certificate authority inside the process, for development,
// tests and demonstrations. It is not for production: its root is made at start,
// lives in memory only, and is gone with the process, unless [OpenKept] keeps it;
// whoever can run code in the process can have any identity.
//
//	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
//	if err != nil {
//		return err
//	}
//	reviews, err := authority.Source("default", "bookinfo-reviews")
//	if err != nil {
//		return err
//	}
//	server := &http.Server{Handler: h, TLSConfig: mtls.Server(reviews)}
//
// A [Source] renews its certificate at about half its life, when it is asked;
// there is no goroutine and nothing to close. [Development.WriteFiles] puts an
// identity on disk, for other processes and to try what reads files.
//
// Where the process must be able to end and start again, or several processes are to
// believe each other, [OpenKept] keeps the root in a directory.
//
// # Changing the root
//
// [Development.RotateRoot] makes a new root. It is trusted first and signs later,
// and the old one is trusted until nothing that it signed is in use, so no
// handshake fails for it. Sources follow by themselves. Where identities were
// written to files, write all of them again within Config.Lead, and once more
// after it.
package ca
