// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is the program itself when a test has started it as a child.
func TestMain(m *testing.M) {
	if runAsChild() {
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
