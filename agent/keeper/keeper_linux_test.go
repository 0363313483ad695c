// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package keeper_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent/keeper"
)

// hang bounds every wait of a test.
const hang = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// keep keeps a socket until the test ends.
func keep(t *testing.T, patience time.Duration) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "xds.sock")
	k, err := keeper.Open(keeper.Config{Socket: socket, Patience: patience, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := k.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, path := range []string{socket, socket + keeper.Suffix} {
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", path, err)
			}
		}
	})
	return socket
}

// take is an agent's.
func take(t *testing.T, socket string) *keeper.Lease {
	t.Helper()
	l, err := keeper.Take(t.Context(), socket)
	if err != nil || l == nil {
		t.Fatalf("got %v, %v, want a lease", l, err)
	}
	t.Cleanup(func() { _ = l.Close(); _ = l.Listener.Close() })
	return l
}

// accepts reports whether the next connection to the socket comes to an agent.
func accepts(t *testing.T, l *keeper.Lease, socket string) bool {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = l.Listener.SetDeadline(time.Now().Add(200 * time.Millisecond))
	got, err := l.Listener.Accept()
	if err != nil {
		return false
	}
	_ = got.Close()
	return true
}

// told is what a client of gRPC hears that starts now, in a time.
func told(t *testing.T, socket string, within time.Duration) error {
	t.Helper()
	b, err := xds.NewXDSResolverWithConfigForTesting([]byte(`{"xds_servers":[{"server_uri":"unix://` + socket + `","channel_creds":[{"type":"insecure"}]}],"node":{"id":"n1"}}`))
	if err != nil {
		t.Fatal(err)
	}
	cc, err := grpc.NewClient("xds:///reviews", grpc.WithResolvers(b), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return cc.Invoke(ctx, "/shop.Reviews/Get", &emptypb.Empty{}, &emptypb.Empty{})
}

func TestKeeper_leavesClientsToAgents(t *testing.T) {
	socket := keep(t, 50*time.Millisecond)
	want := "no agent serves at " + socket
	for i := range 3 {
		err := told(t, socket, hang)
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), want) {
			t.Fatalf("without an agent: got %v, want UNAVAILABLE and %q", err, want)
		}
		if i == 2 {
			break // the keeper ends while there is no agent
		}
		first, second := take(t, socket), take(t, socket)
		for _, l := range []*keeper.Lease{first, second} {
			if err := l.Serving(); err != nil {
				t.Fatal(err)
			}
		}
		for end := time.Now().Add(hang); !accepts(t, first, socket); {
			if time.Now().After(end) {
				t.Fatal("an agent that serves gets no connection")
			}
		}
		_ = first.Listener.Close()
		_ = first.Close()
		for range 5 { // longer than the keeper's patience
			if !accepts(t, second, socket) {
				t.Error("a connection did not come to the agent that is left")
			}
			<-time.After(20 * time.Millisecond)
		}
		_ = second.Listener.Close()
		_ = second.Close()
	}
}

// Until its patience ends the keeper tells clients nothing: they wait for an agent.
func TestKeeper_isPatient(t *testing.T) {
	socket := keep(t, hang)
	if err := told(t, socket, 300*time.Millisecond); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, want DEADLINE_EXCEEDED", err)
	}
	l := take(t, socket)
	if !accepts(t, l, socket) {
		t.Error("a connection did not come to the agent")
	}
}

// An agent that took the socket and does not serve yet leaves clients to the keeper.
func TestKeeper_answersUntilAgentsServe(t *testing.T) {
	socket := keep(t, time.Millisecond)
	take(t, socket)
	if err := told(t, socket, hang); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
}

func TestTake_nobody(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "xds.sock")
	if l, err := keeper.Take(t.Context(), socket); l != nil || err != nil {
		t.Errorf("got %v, %v, want neither", l, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket + keeper.Suffix, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	if l, err := keeper.Take(t.Context(), socket); l != nil || err != nil {
		t.Errorf("of a dead keeper: got %v, %v, want neither", l, err)
	}
}

// What is no keeper gives no socket, whatever it says or sends along.
func TestTake_noKeeper(t *testing.T) {
	for name, say := range map[string]func(c *net.UnixConn){
		"nothing":       func(*net.UnixConn) {},
		"another word":  func(c *net.UnixConn) { _, _ = c.Write([]byte("hello\n")) },
		"no socket":     func(c *net.UnixConn) { _, _ = c.Write([]byte("enmesh-keeper/1\n")) },
		"another thing": func(c *net.UnixConn) { _, _, _ = c.WriteMsgUnix([]byte("enmesh-keeper/1\n"), rights(t, pipe(t)), nil) },
		"two sockets": func(c *net.UnixConn) {
			f := pipe(t)
			_, _, _ = c.WriteMsgUnix([]byte("enmesh-keeper/1\n"), rights(t, f, f), nil)
		},
	} {
		socket := filepath.Join(t.TempDir(), "xds.sock")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket + keeper.Suffix, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if c, err := l.AcceptUnix(); err == nil {
				say(c)
				_ = c.Close()
			}
		}()
		lease, err := keeper.Take(t.Context(), socket)
		if lease != nil || err == nil || !strings.Contains(err.Error(), socket+keeper.Suffix) {
			t.Errorf("%s: got %v, %v, want an error with the path", name, lease, err)
		}
		_ = l.Close()
		<-done
	}
}

func TestOpen_refuses(t *testing.T) {
	dir := t.TempDir()
	served := filepath.Join(dir, "served.sock")
	l, err := net.Listen("unix", served)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for want, cfg := range map[string]keeper.Config{
		"Socket is empty":             {},
		"must not be negative":        {Socket: filepath.Join(dir, "a.sock"), Patience: -1},
		"is served by another":        {Socket: served},
		"no such file or directory":   {Socket: filepath.Join(dir, "none", "a.sock")},
		filepath.Base(served) + " is": {Socket: served},
	} {
		if k, err := keeper.Open(cfg); k != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", cfg, err, want)
		}
	}
	if _, err := os.Stat(served + keeper.Suffix); !os.IsNotExist(err) {
		t.Errorf("what was not opened is still there: %v", err)
	}
}
