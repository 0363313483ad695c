// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "context"

// Source has documents from elsewhere than files.
type Source interface {
	// Watch tells of all documents, and again on each change, until ctx ends; then it returns.
	// The name of a File is what errors cite. An error is news, not the end: what was told last
	// stays. What is told is not written again by either side. tell is called by one goroutine
	// at a time and does not block for long.
	Watch(ctx context.Context, tell func(files []File, err error)) error
}
