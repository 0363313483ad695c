// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nodeVariable names a Node with the packages of gRPC.
const nodeVariable = "ENMESH_NODE"

func TestRun_movesATenthAndRefusesGuests(t *testing.T) {
	node := os.Getenv(nodeVariable)
	if node == "" && os.Getenv("CI") != "" {
		t.Fatalf("%s is not set: run it with make test", nodeVariable)
	}
	var out strings.Builder
	if err := run(t.Context(), &out, node, "."); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	want := []string{"100 % to v1, Go", "90 % to v1, Go", "not the web, Go"}
	if node != "" {
		want = append(want, "90 % to v1, Node", "not the web, Node")
	}
	for _, line := range want {
		if !strings.Contains(out.String(), line) {
			t.Errorf("got:\n%s\nwant a line %q", out.String(), line)
		}
	}
}

// TestPrograms_knowNothingOfEnmesh holds what the example is about.
func TestPrograms_knowNothingOfEnmesh(t *testing.T) {
	for _, program := range []string{"./server", "./client"} {
		deps, err := output(context.Background(), "go", "list", "-deps", program)
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.Lines(deps) {
			if dep = strings.TrimSpace(dep); strings.HasPrefix(dep, ours) && !strings.HasPrefix(dep, ours+"examples/proxyless/") {
				t.Errorf("%s imports %s", program, dep)
			}
		}
	}
}
