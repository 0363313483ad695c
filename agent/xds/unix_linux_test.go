// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/agent/xds"
)

func TestScenarioX11_onlyTheOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "xds.sock")
	l, err := xds.ListenUnix(path, xds.UnixConfig{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	if _, err := xds.ListenUnix(path, xds.UnixConfig{}); err == nil || !strings.Contains(err.Error(), "served") {
		t.Errorf("a second one: got %v, want that it is served", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: got %v, want the socket gone", err)
	}
}

func TestListenUnix_aDeadSocketIsReplacedAndAFileIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "xds.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	l, err := xds.ListenUnix(path, xds.UnixConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := xds.ListenUnix(path, xds.UnixConfig{}); err == nil {
		t.Error("a file in the place: got nil, want an error")
	}
}

// A socket of a service manager: who connects before it is served waits in it, and it is there
// after the server.
func TestInheritUnix_whoConnectedBeforeIsServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "xds.sock")
	kept, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	file, err := kept.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	inherit := func(cfg xds.UnixConfig) (net.Listener, error) {
		l, err := net.FileListener(file)
		if err != nil {
			t.Fatal(err)
		}
		own, err := xds.InheritUnix(l.(*net.UnixListener), cfg)
		if err != nil {
			_ = l.Close()
		}
		return own, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	if _, err := inherit(xds.UnixConfig{}); err == nil || !strings.Contains(err.Error(), "has mode 0660, and 0600 is the most") {
		t.Errorf("open to a group that nobody named: got %v, want its mode", err)
	}
	for range 2 { // servers, one after the other
		client, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := inherit(xds.UnixConfig{Mode: 0o660})
		if err != nil {
			t.Fatal(err)
		}
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err = io.WriteString(served, "x"); err == nil {
			_, err = io.ReadFull(client, make([]byte, 1))
		}
		if err != nil {
			t.Errorf("who connected before: got %v, want an answer", err)
		}
		_, _, _ = served.Close(), client.Close(), l.Close()
		if _, err := os.Stat(path); err != nil {
			t.Errorf("after Close: got %v, want the socket still there", err)
		}
	}
}

// TestStranger_dials is a process of another user, started by the test below.
func TestStranger_dials(t *testing.T) {
	path := os.Getenv("XDS_STRANGER")
	if path == "" {
		t.Skip("it is a part of TestScenarioX11_stranger")
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err == nil {
		_, err = c.Read(make([]byte, 1))
		if err == nil {
			t.Error("a stranger was answered")
		}
	}
	_, err = statusv3.NewClientStatusDiscoveryServiceClient(dialed(t, "unix://"+path)).FetchClientStatus(t.Context(), &statusv3.ClientStatusRequest{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("of the status of others a stranger hears %v", status.Code(err))
	}
}

func TestScenarioX11_stranger(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	dir, err := os.MkdirTemp("", "xds")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "test"), exe, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	const stranger = 65534
	for _, c := range []struct {
		name    string
		cfg     xds.UnixConfig
		refused bool
	}{
		{"open to all by mode", xds.UnixConfig{Mode: 0o666}, true},
		{"allowed by user", xds.UnixConfig{Mode: 0o666, Users: []uint32{stranger}}, false},
		{"allowed by group", xds.UnixConfig{Mode: 0o666, Groups: []uint32{stranger}}, false},
		{"allowed by user, not by mode", xds.UnixConfig{Users: []uint32{stranger}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Log = quiet()
			l, err := xds.ListenUnix(filepath.Join(dir, "xds.sock"), c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			serveOn(t, xds.Config{Catalog: newScript()}, l)
			cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "test"), "-test.run=^TestStranger_dials$")
			cmd.Env = append(os.Environ(), "XDS_STRANGER="+filepath.Join(dir, "xds.sock"))
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
			out, err := cmd.CombinedOutput()
			answered := strings.Contains(string(out), "a stranger was answered")
			if answered == c.refused {
				t.Errorf("answered: got %v, want %v (%v: %s)", answered, !c.refused, err, out)
			}
			if denied := strings.Contains(string(out), "of the status of others a stranger hears PermissionDenied"); denied == c.refused {
				t.Errorf("denied the status of others: got %v, want %v (%s)", denied, !c.refused, out)
			}
		})
	}
}
