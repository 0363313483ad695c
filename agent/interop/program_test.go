// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take before a test gives up.
const patience = 60 * time.Second

// nodeVariable names a Node with the packages of gRPC, by its absolute path.
const nodeVariable = "ENMESH_NODE"

// node is the Node to run. Without one the test skips, or fails where the variable CI is set.
func node(t testing.TB) string {
	t.Helper()
	path := os.Getenv(nodeVariable)
	switch {
	case path == "" && os.Getenv("CI") != "":
		t.Fatalf("this test needs Node and %s is not set: run it with make test", nodeVariable)
	case path == "":
		t.Skipf("this test needs Node with gRPC: make test provides it (%s is not set)", nodeVariable)
	case !filepath.IsAbs(path):
		t.Fatalf("%s is %q, and must be an absolute path", nodeVariable, path)
	}
	return path
}

// program is a process under test that follows orders.
type program struct {
	t     testing.TB
	stdin io.WriteCloser

	mu      sync.Mutex // guards what follows, and writing to stdin
	last    int
	waiting map[int]chan answer
}

// start runs a program that knows the agent by its bootstrap file.
func start(t testing.TB, bootstrap string, env []string, name string, args ...string) *program {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), append(env, "GRPC_XDS_BOOTSTRAP="+bootstrap)...)
	cmd.Stderr = &lines{t: t}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, stdin: stdin, waiting: map[int]chan answer{}}
	read := make(chan struct{})
	go func() { defer close(read); p.read(stdout) }()
	t.Cleanup(func() {
		_ = stdin.Close() // it ends by itself then
		stuck := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
		stuck.Stop()
	})
	return p
}

func (p *program) read(out io.Reader) {
	in := json.NewDecoder(bufio.NewReader(out))
	for {
		var a answer
		if err := in.Decode(&a); err != nil {
			return
		}
		p.mu.Lock()
		to := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		p.mu.Unlock()
		if to != nil {
			to <- a
		}
	}
}

// send gives an order, and what will be its answer.
func (p *program) send(o order) <-chan answer {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	o.ID = p.last
	to := make(chan answer, 1)
	p.waiting[o.ID] = to
	line, err := json.Marshal(o)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("the program is gone: %v", err)
	}
	return to
}

// await is an answer that must come.
func (p *program) await(to <-chan answer) answer {
	p.t.Helper()
	select {
	case a := <-to:
		if a.Error != "" {
			p.t.Fatal(a.Error)
		}
		return a
	case <-time.After(patience):
		p.t.Fatal("the program does not answer")
		return answer{}
	}
}

// do gives an order and waits for its answer.
func (p *program) do(o order) answer {
	p.t.Helper()
	return p.await(p.send(o))
}

// lines logs what a program complains of.
type lines struct{ t testing.TB }

func (l *lines) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

// language is a client of gRPC.
type language struct {
	name  string
	agent string // user_agent_name
	env   []string
	begin func(t testing.TB, bootstrap string, env []string) *program
}

var (
	golang = language{"go", "gRPC Go", nil, func(t testing.TB, bootstrap string, env []string) *program {
		t.Helper()
		return start(t, bootstrap, append(env, roleVariable+"=client"), os.Args[0])
	}}
	nodejs = language{"node", "gRPC Node Pure JS", nil, func(t testing.TB, bootstrap string, env []string) *program {
		t.Helper()
		return start(t, bootstrap, env, node(t), filepath.Join("testdata", "client.js"))
	}}
)

func (l language) run(t testing.TB, bootstrap string) *program {
	t.Helper()
	return l.begin(t, bootstrap, slices.Clone(l.env))
}

// with is the client with variables in its environment.
func (l language) with(env ...string) language {
	l.env = env
	return l
}

// each runs a test with the clients of all languages, at once.
func each(t *testing.T, test func(t *testing.T, l language)) {
	t.Helper()
	for _, l := range []language{golang, nodejs} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			test(t, l)
		})
	}
}
