// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// orphan is set in the process that TestProcess_endsWithItsParent starts.
const orphan = "ENMESH_CONSULTEST_ORPHAN"

// TestProcess_endsWithItsParent: a test binary that dies without its clean-ups leaves
// no server behind. This binary runs itself, starts a child there and exits.
func TestProcess_endsWithItsParent(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("there is no sleep to run")
	}
	if os.Getenv(orphan) != "" {
		p, err := startProcess(sleep, []string{"600"}, t.TempDir(), os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("child %d.\n", p.proc.Pid)
		os.Exit(0)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), orphan+"=1")
	cmd.Stderr = os.Stderr // no pipe, which would be waited for while the child has it
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, after, _ := strings.Cut(string(out), "child ")
	pid, _, _ := strings.Cut(after, ".")
	if _, err := strconv.Atoi(pid); err != nil {
		t.Fatalf("the child's pid: got %q", out)
	}
	Await(t, 10*time.Second, func() error {
		status, err := os.ReadFile("/proc/" + pid + "/stat")
		if err == nil && !strings.Contains(string(status), ") Z ") {
			return fmt.Errorf("the child lives: %s", status)
		}
		return nil
	})
}
