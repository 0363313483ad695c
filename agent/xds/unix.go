// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// UnixConfig says who may connect to a unix socket, beside our own user and root.
type UnixConfig struct {
	Mode   fs.FileMode // of the socket; default 0600
	Users  []uint32    // further user ids
	Groups []uint32    // further group ids, compared with the peer's primary group
	Log    *slog.Logger
}

// errStranger says that a process may not connect.
var errStranger = errors.New("xds: the user of the connecting process is not allowed")

// ListenUnix listens on a unix socket. The socket is never open to others, not
// even for a moment, and who connects is asked of the kernel besides (SO_PEERCRED):
// strangers are closed and logged. A socket that nobody serves any more is
// replaced; one that is served is left, with an error. The directory must exist.
//
// Only systems that tell a peer's user are served (Linux): on others it is an
// error.
func ListenUnix(path string, cfg UnixConfig) (net.Listener, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := vacant(path); err != nil {
		return nil, err
	}
	l, err := bind(path, cfg.Mode)
	if err != nil {
		return nil, fmt.Errorf("xds: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("xds: %w", err)
	}
	return &unixListener{UnixListener: l, path: path, info: info, cfg: cfg}, nil
}

// InheritUnix serves on a unix socket that another process opened and keeps open, as a service
// manager does: who connects while nobody serves waits in it for who will. It is an error if
// the socket's file grants more than cfg.Mode does. Peers are asked for as in [ListenUnix].
// Closing the listener leaves the socket where it is. l belongs to the listener from then on,
// unless there is an error.
func InheritUnix(l *net.UnixListener, cfg UnixConfig) (net.Listener, error) {
	return InheritUnixAt(l, l.Addr().String(), cfg)
}

// InheritUnixAt is InheritUnix for a socket that has moved to a path since it was bound.
func InheritUnixAt(l *net.UnixListener, path string, cfg UnixConfig) (net.Listener, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("xds: the inherited socket: %w", err)
	}
	if is := info.Mode().Perm(); is&^cfg.Mode.Perm() != 0 {
		return nil, fmt.Errorf("xds: the inherited socket %s has mode %#o, and %#o is the most that is allowed: have it opened with less (SocketMode= of systemd), or allow more", path, is, cfg.Mode.Perm())
	}
	l.SetUnlinkOnClose(false)
	return &unixListener{UnixListener: l, path: path, cfg: cfg}, nil
}

// complete fills in defaults. It fails where nobody's peer is known.
func (c *UnixConfig) complete() error {
	if !knowsPeers {
		return errors.New("xds: this system does not tell who connects to a unix socket")
	}
	if c.Mode == 0 {
		c.Mode = 0o600
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

// vacant says that path may be taken: there is nothing, or a dead socket.
func vacant(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("xds: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("xds: %s exists and is no socket", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	c, err := dialer.DialContext(context.Background(), "unix", path)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("xds: %s is served by another process", path)
	}
	return nil
}

// bind makes the socket in a directory of its own, where nobody else can reach it,
// gives it its mode and moves it to its place.
func bind(path string, mode fs.FileMode) (*net.UnixListener, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".x")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is empty, or gone
	tmp := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(tmp, mode); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// unixListener hands out the connections of those who may connect.
type unixListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo // of the file to remove at the end; nil: it is another's
	cfg  UnixConfig
	once sync.Once // of Close
}

// unixConn is a connection whose peer is known.
type unixConn struct {
	*net.UnixConn
	peer Peer
}

// Accept waits for a connection that is allowed.
func (l *unixListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p, err := credsOf(c)
		if err == nil {
			err = l.cfg.admit(p)
		}
		if err == nil {
			return &unixConn{c, p}, nil
		}
		_ = c.Close()
		l.cfg.Log.Warn("xds: a connection is refused", "socket", l.path, "uid", p.UID, "gid", p.GID, "pid", p.PID, "error", err)
	}
}

// Addr is where the socket is.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close stops listening and removes the socket, unless it is another's, or was replaced. A second Close
// does nothing: by then the file's number may be that of another process's socket.
func (l *unixListener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && l.info != nil && os.SameFile(now, l.info) {
			_ = os.Remove(l.path)
		}
		err = l.UnixListener.Close()
	})
	return err
}

// admit says whether a peer may connect.
func (c UnixConfig) admit(p Peer) error {
	if p.Known && (p.UID == 0 || int(p.UID) == os.Geteuid() || slices.Contains(c.Users, p.UID) || slices.Contains(c.Groups, p.GID)) {
		return nil
	}
	return errStranger
}
