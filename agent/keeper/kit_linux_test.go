// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package keeper_test

import (
	"os"
	"syscall"
	"testing"
)

// pipe is a file that is no socket.
func pipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	return r
}

// rights are files to send along.
func rights(t *testing.T, files ...*os.File) []byte {
	t.Helper()
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	return syscall.UnixRights(fds...)
}
