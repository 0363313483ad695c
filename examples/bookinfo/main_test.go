// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// summary is what -json prints.
type summary struct {
	Edges []struct {
		From, To, Version, Protocol  string
		Requests, Attempts, Failures int
		Codes                        map[string]int
		P50                          float64 `json:"p50_ms"`
		P99                          float64 `json:"p99_ms"`
	}
	PolicyErrors []string `json:"policy_errors"`
}

// built is the program, built as "go run" does.
func built(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bookinfo")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func TestProgram_countsEveryEdge(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), built(t), "-duration", "3s", "-rps", "100", "-json", "-listen", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if stderr.Len() > 0 {
		t.Errorf("-json says on stderr:\n%s", stderr.Bytes())
	}
	var got summary
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil { // trailing text is an error too
		t.Fatalf("%v in:\n%s", err, stdout.Bytes())
	}
	if got.PolicyErrors == nil || len(got.PolicyErrors) > 0 {
		t.Errorf("policy_errors is %v, want an empty array", got.PolicyErrors)
	}
	seen := map[string]bool{}
	for _, e := range got.Edges {
		seen[strings.Join([]string{e.From, e.To, e.Version, e.Protocol}, " ")] = true
		if e.Requests == 0 || e.Attempts < e.Requests || e.Failures != 0 || e.P50 <= 0 || e.P99 < e.P50 || len(e.Codes) != 1 {
			t.Errorf("edge %+v: want requests, none failed, one code, percentiles", e)
		}
	}
	for _, edge := range []string{
		"ingress productpage v1 http", "productpage details v1 http",
		"productpage reviews v1 http", "productpage reviews v2 http", "productpage reviews v3 http",
		"reviews ratings v1 http", "reviews ratings v1 grpc",
	} {
		if !seen[edge] {
			t.Errorf("no edge %s in %v", edge, seen)
		}
	}
}

func TestProgram_endsOnASignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals are sent to other processes there")
	}
	program := built(t)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), program, "-listen", "127.0.0.1:0")
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, len("bookinfo at http://"))
		if _, err := stdout.Read(first); err != nil || string(first) != "bookinfo at http://" {
			t.Fatalf("the table begins with %q, %v\n%s", first, err, stderr.Bytes())
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = new(bytes.Buffer).ReadFrom(stdout) // until the program ends
		}()
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v, want exit status 0\n%s", signal, err, stderr.Bytes())
		}
	}
}

func TestRun_leavesNoGoroutine(t *testing.T) { // goleak looks, in TestMain
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-rps", "20", "-duration", "1s"}, &stdout, os.Stderr); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout.String(), "productpage") {
		t.Errorf("the table shows no productpage:\n%s", stdout.String())
	}
}

func TestRun_movesWhenTheDefaultPortIsTaken(t *testing.T) {
	var lc net.ListenConfig
	if l, err := lc.Listen(t.Context(), "tcp", defaultListen); err == nil {
		defer l.Close()
	} // else somebody else has it: as good
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"-rps", "0", "-duration", "100ms"}, &stdout, os.Stderr); err != nil {
		t.Fatal(err)
	}
	if want := defaultListen + " is taken"; !strings.Contains(stdout.String(), want) {
		t.Errorf("no %q in:\n%s", want, stdout.String())
	}
	err := run(t.Context(), []string{"-rps", "0", "-listen", defaultListen}, &stdout, os.Stderr)
	var refused *net.OpError
	if !errors.As(err, &refused) || refused.Op != "listen" {
		t.Errorf("with -listen of the taken address: %v, want that it cannot be listened at", err)
	}
}

func TestParse_refuses(t *testing.T) {
	for _, args := range [][]string{
		{"-rps", "-1"}, {"-rps", "NaN"}, {"-rps", "1e9"}, {"-duration", "-1s"}, {"-user", "two words"},
		{"-ratings", "0"}, {"-flaky", "101"}, {"extra"}, {"-nothing"}, {"-policies", "does-not-exist"}, {"-policies", "main.go"},
	} {
		var stderr bytes.Buffer
		if err := run(t.Context(), args, &stderr, &stderr); err == nil {
			t.Errorf("%v is accepted, want an error", args)
		}
	}
	if _, err := parse([]string{"-h"}, new(bytes.Buffer)); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v, want flag.ErrHelp", err)
	}
}

func TestRun_refusesABrokenPolicyAtTheStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("kind: VirtualService\napiVersion: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"-policies", dir, "-listen", "127.0.0.1:0"}, os.Stdout, os.Stderr)
	if err == nil || !strings.Contains(err.Error(), "bad.yaml:") {
		t.Errorf("got %v, want an error that names bad.yaml and a line", err)
	}
}

func TestPoliciesDir(t *testing.T) {
	dir, remove, err := policiesDir("")
	if err != nil {
		t.Fatal(err)
	}
	remove()
	if _, err := os.Stat(filepath.Join(dir, "routes.yaml")); err != nil {
		t.Errorf("the default: %v", err)
	}
	dir, remove, err = unpack()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"routes.yaml", "destinations.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("unpacked: %v", err)
		}
	}
	remove()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after remove: %v, want that it is gone", err)
	}
}

// TestRun_servesThePage reads the page as a browser would, without any load.
func TestRun_servesThePage(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close() // free again, for the moment
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-listen", addr, "-rps", "0"}, new(bytes.Buffer), os.Stderr) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			continue
		}
		var page bytes.Buffer
		_, err = page.ReadFrom(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(page.String(), "The Comedy of Errors") {
			t.Errorf("GET /: %s, %v; want the page in:\n%s", res.Status, err, page.String())
		}
		return
	}
}
