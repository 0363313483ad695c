// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"os"
	"path/filepath"
	"testing"
)

// Env is the variable that names the Redis server by its absolute path.
const Env = "ENMESH_REDIS"

// Binary is the Redis server to run. Without one the test skips, or fails where the
// variable CI is set.
func Binary(t testing.TB) string {
	t.Helper()
	return Program(t, Env, "redis-server")
}

// Program is a server of another kind, named by the variable env, under the same rule;
// make bin/<name> provides it.
func Program(t testing.TB, env, name string) string {
	t.Helper()
	path := os.Getenv(env)
	switch {
	case path == "" && os.Getenv("CI") != "":
		t.Fatalf("redistest: this test needs the server %s and %s is not set: run it with make test", name, env)
	case path == "":
		t.Skipf("this test needs the server %s: make test provides one and runs it (%s is not set)", name, env)
	case !filepath.IsAbs(path):
		t.Fatalf("redistest: %s is %q, and must be an absolute path", env, path)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("redistest: %s names no program (make bin/%s provides it): %v", env, name, err)
	}
	return path
}
