// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every stack is run once, in real processes; its figures are not looked at.
func TestCommand_runsEveryStack(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // of the children, which would stay a second each
	var out bytes.Buffer
	args := []string{"-rounds", "1", "-c", "2", "-seconds", "0.05", "-warmup", "0", "-json"}
	if err := command(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got struct{ Results []Result }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := command(t.Context(), []string{"-read", file}, &table, io.Discard); err != nil {
		t.Fatal(err)
	}
	if rows := strings.Count(table.String(), "\n| "); rows != len(stacks)+1 {
		t.Errorf("the table read from the file has %d rows, want a head and %d stacks:\n%s", rows, len(stacks), table.String())
	}
	if len(got.Results) != len(stacks) {
		t.Fatalf("%d results, want one for each of %d stacks", len(got.Results), len(stacks))
	}
	for _, r := range got.Results {
		if s := r.Samples[0]; s.Calls == 0 || s.ClientCPU <= 0 || s.ServerCPU <= 0 || s.Allocs < 1 || s.P50 <= 0 || s.P99 < s.P50 {
			t.Errorf("%s: sample %+v", r.Stack, s)
		}
		if r.Stack == r.Baseline && r.Ratio.Median != 1 {
			t.Errorf("%s: its ratio to itself is %v", r.Stack, r.Ratio.Median)
		}
	}
}

func TestCommand_saysWhyItRefuses(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"-stacks grpc,nothing", `no stack "nothing"`},
		{"-stacks x*", `no stack "x*"`},
		{"-c 0", `-c "0"`},
		{"-c 16,many", `-c "many"`},
		{"-rounds 0", "-rounds"},
		{"-seconds 0", "-seconds"},
		{"-warmup -1", "-warmup"},
	} {
		err := command(t.Context(), strings.Fields(tt.args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %s", tt.args, err, tt.want)
		}
	}
}

func TestRun_aServerThatCannotStartIsAnError(t *testing.T) {
	broken := &Stack{Name: "not in the table"}
	_, err := run(t.Context(), Config{Stacks: []*Stack{broken}, Concurrency: []int{1}, Rounds: 1, Progress: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "not in the table") {
		t.Errorf("error %v, want the child's", err)
	}
}

func TestSelectStacks(t *testing.T) {
	for _, tt := range []struct{ names, want string }{
		{"http-core", "[http http-core]"},
		{"grpc-again,grpc-plain", "[grpc grpc-plain grpc-again]"},
		{"http-enmesh*", "[http http-enmesh http-enmesh-attempt http-enmesh-timeout http-enmesh-plain http-enmesh-mutual]"},
	} {
		got, err := selectStacks(splitList(tt.names))
		var names []string
		for _, s := range got {
			names = append(names, s.Name)
		}
		if err != nil || fmt.Sprint(names) != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.names, names, err, tt.want)
		}
	}
	seen := map[string]bool{}
	for _, s := range stacks {
		if seen[s.Name] {
			t.Errorf("two stacks are named %q", s.Name)
		}
		seen[s.Name] = true
		if !seen[s.baseline()] {
			t.Errorf("stack %q stands before its baseline %q, or that is missing", s.Name, s.baseline())
		}
	}
}
