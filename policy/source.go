// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "context"

// Source gives policy documents that are not in files: keys of a registry, say. What it
// gives is loaded as one set with the files and with what other sources give.
//
// A Source is watched by one Watch at a time for each Loader that has it; several may
// watch it at once. Its types are the language's own, so that a source need not import
// this package.
type Source interface {
	// Watch tells all the documents it has, again whenever they have changed, until ctx
	// ends; then it returns nil. Names are for messages and for the order: by name, after
	// the files and the sources before it. What was told is not written again.
	//
	// An error is news, not the end: what was told before holds, and the source goes on.
	// Where it cannot go on at all Watch returns why; then it is not watched again.
	Watch(ctx context.Context, tell func(files map[string][]byte, err error)) error
}
