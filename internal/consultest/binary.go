// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"os"
	"path/filepath"
	"testing"
)

// Env is the variable that names the Consul program by its absolute path.
const Env = "ENMESH_CONSUL"

// Binary is the Consul program to run. Without one the test skips, or fails where the
// variable CI is set: there it is always built.
func Binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv(Env)
	switch {
	case path == "" && os.Getenv("CI") != "":
		t.Fatalf("consultest: this test needs a Consul server and %s is not set: run it with make test", Env)
	case path == "":
		t.Skipf("this test needs a Consul server: make test builds one and runs it (%s is not set)", Env)
	case !filepath.IsAbs(path):
		t.Fatalf("consultest: %s is %q, and must be an absolute path", Env, path)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("consultest: %s names no program (make bin/consul builds it): %v", Env, err)
	}
	return path
}
