// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// hang bounds waits for other goroutines and processes.
const hang = 2 * time.Minute

// backend is a plain server.
func backend(t *testing.T) string {
	t.Helper()
	var from net.ListenConfig
	l, err := from.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		if err := s.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		return s.SendMsg(&emptypb.Empty{})
	}))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// folder is one for sockets, whose paths must be short.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "en")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// services is a file with one instance of reviews.
func services(t *testing.T, dir, addr string) string {
	t.Helper()
	return write(t, filepath.Join(dir, "services.yaml"), "services:\n  reviews:\n  - address: "+addr+"\n    namespace: default\n    serviceAccount: reviews\n")
}

// plaintext is how reviews is to be called.
const plaintext = `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec: {host: reviews, trafficPolicy: {tls: {mode: DISABLE}}}
`

// journal reads a log in JSON, and finds records in it by their message.
type journal struct {
	mu    sync.Mutex // guards text, half and news
	text  strings.Builder
	half  string
	lines []map[string]any
	news  chan struct{} // closed at the next line
}

func newJournal() *journal { return &journal{news: make(chan struct{})} }

// Write takes more of the log.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(p)
	j.half += string(p)
	for {
		line, rest, ok := strings.Cut(j.half, "\n")
		if !ok {
			return len(p), nil
		}
		j.half = rest
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil {
			j.lines = append(j.lines, record)
			close(j.news)
			j.news = make(chan struct{})
		}
	}
}

// forget has wait find later records only.
func (j *journal) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = nil
}

// wait is the first record with the message.
func (j *journal) wait(t *testing.T, message string) map[string]any {
	t.Helper()
	timeout := time.After(hang)
	for {
		j.mu.Lock()
		for _, r := range j.lines {
			if r["msg"] == message {
				j.mu.Unlock()
				return r
			}
		}
		news := j.news
		j.mu.Unlock()
		select {
		case <-news:
		case <-timeout:
			t.Fatalf("no %q in the log:\n%s", message, j)
		}
	}
}

// String is the whole log.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// started is an agent that runs in this process.
type started struct {
	*journal
	admin, listen string
	end           func() int // as SIGTERM does; how it ended
}

// start runs "enmesh agent" until the test ends, and waits until it answers.
func start(t *testing.T, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{journal: newJournal()}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"agent", "-log", "json", "-admin", "127.0.0.1:0"}, args...), io.Discard, s)
	}()
	s.end = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { s.end() })
	at := s.wait(t, "enmesh: the agent listens")
	s.wait(t, "enmesh: the agent answers")
	s.admin, _ = at["admin"].(string)
	s.listen, _ = at["listen"].(string)
	return s
}

// enmesh runs another command.
func enmesh(t *testing.T, args ...string) (code int, out, messages string) {
	t.Helper()
	var o, m strings.Builder
	code = run(t.Context(), args, &o, &m)
	return code, o.String(), m.String()
}
