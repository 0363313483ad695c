// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines that rows leave behind. It leaves aside those that the
// peers start for good: go-zero (its signals, and the processor's load) and kratos aegis
// (the processor's load, twice) when they are linked in, sentinel (the system's, the
// processor's and the memory's load) when it is initialised, which is why that comes first.
// They have no end that a program could ask for.
func TestMain(m *testing.M) {
	if err := quiet(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
