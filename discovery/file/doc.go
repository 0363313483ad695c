// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package file reads services and their endpoints from YAML or JSON files and
// follows edits of them. It is the registry for those who have none: a fixed set
// of machines, a laptop, a ConfigMap that something else writes.
//
//	services:
//	  reviews:
//	  - address: 10.0.0.1:9080
//	    labels: {version: v1}
//	    serviceAccount: bookinfo-reviews
//	    namespace: default
//	    locality: eu/eu-1/rack-a
//	  - addresses: [10.0.0.2, "[fd00::2]"]      # one host, two addresses
//	    ports:
//	    - {name: http, number: 9080, protocol: http}
//	    - {name: grpc, number: 9090, target: 19090, protocol: grpc}
//	    weight: 2
//	    version: v2
//	  ratings: []
//
// Field by field it is a [discovery.Endpoint]. A weight of 0 means draining. The
// same document may be written in JSON, in a file that ends in .json.
//
//	registry, err := file.Open("services.yaml", file.Config{})
//	if err != nil {
//		return err
//	}
//	defer registry.Close()
//	for eps, err := range registry.Watch(ctx, "reviews") {
//		...
//	}
//
// # Edits
//
// Edits in place, renames and swapped links are seen within a fraction of a second
// where the system reports changes, else with the next poll. Files are taken when
// two readings agree, so a file that is half written is not. All files of a
// directory are taken together or not at all.
//
// # Mistakes
//
// Reading is strict: what is not understood is refused, with file, line, column,
// field and what to write instead. While the files cannot be used, or are gone,
// the last good set stays and each watch yields the error once. At the start there
// is no last good set, and [Open] fails.
//
// # Limits
//
// A file may have 4 MiB and one document, without aliases. A service stands in one
// file. Directories are not searched deeper. Where two writers leave the files
// different from each other for longer than two readings, one of the two states
// is taken, then the other: write a directory by swapping a link.
package file
