// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh/internal/consultest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// built is the program, built as "go run" does.
func built(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "consul-example")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// checked wants no visit to have failed, and each instance to have greeted and ended.
func checked(t *testing.T, printed []byte) summary {
	t.Helper()
	var got summary
	if err := json.Unmarshal(printed, &got); err != nil { // trailing text is an error too
		t.Fatalf("%v in:\n%s", err, printed)
	}
	t.Logf("%s", printed)
	if got.Visits == 0 || got.Failed != 0 || len(got.Instances) != 4 {
		t.Errorf("%d visits, %d failed, %d instances; want some, none, 4", got.Visits, got.Failed, len(got.Instances))
	}
	for i, g := range got.Instances {
		if want := []string{"v1", "v2"}[i/2]; g.Version != want || g.Greetings == 0 || g.Ended == 0 {
			t.Errorf("%+v: want version %s, greetings and an end", g, want)
		}
	}
	return got
}

func TestProgram_withAConsulOfItsOwn(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), built(t), "-consul", consultest.Binary(t), "-instances", "2", "-json")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if stderr.Len() > 0 {
		t.Errorf("-json says on stderr:\n%s", stderr.Bytes())
	}
	checked(t, stdout.Bytes())
}

func TestProgram_withTheConsulThatIsThere(t *testing.T) {
	node, program := consultest.Dev(t, consultest.Config{}), built(t)
	run := func() ([]byte, string, error) {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), program, "-instances", "2", "-json")
		cmd.Env = append(cmd.Environ(), "CONSUL_HTTP_ADDR="+node.Addr)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		return stdout.Bytes(), stderr.String(), err
	}
	printed, text, err := run()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := checked(t, printed); got.Consul != node.Addr {
		t.Errorf("it was at the Consul %q, want %q", got.Consul, node.Addr)
	}

	// Somebody else's instances would be visited too.
	node.Register(consultest.Service{ID: "other", Name: "greeter", Address: "127.0.0.1", Port: 9})
	if _, text, err := run(); err == nil || !strings.Contains(text, "1 instances of greeter already") {
		t.Errorf("with an instance of another's: %v, %q; want an error that says so", err, text)
	}
	node.Kill()
	if _, text, err := run(); err == nil || !strings.Contains(text, "CONSUL_HTTP_ADDR") {
		t.Errorf("without a Consul: %v, %q; want an error that says how to have one", err, text)
	}
}

func TestProgram_saysWhatIsWrong(t *testing.T) {
	program := built(t)
	for _, tt := range []struct{ args, want string }{
		{"-instances 1", "-instances is 1; it is 2 to 20"},
		{"-rps 0", "-rps is 0; it is 1 to 5000"},
		{"grater", `unexpected argument "grater": a service is greeter or front`},
		{"-consul ./nothing", "starting Consul"},
	} {
		out, err := exec.CommandContext(t.Context(), program, strings.Fields(tt.args)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %q; want an error with %q", tt.args, err, out, tt.want)
		}
	}
}
