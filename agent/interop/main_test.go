// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable says which program a process of this test is: "" for the test itself.
const roleVariable = "ENMESH_INTEROP_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "client":
		clientMain()
	case "server":
		serverMain()
	default:
		goleak.VerifyTestMain(m)
	}
}
