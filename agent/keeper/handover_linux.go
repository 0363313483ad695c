// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package keeper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// give sends a socket.
func give(c net.Conn, socket net.Listener) error {
	to, ok := c.(interface {
		WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error)
	})
	from, isFile := socket.(syscall.Conn)
	if !ok || !isFile {
		return fmt.Errorf("a %T cannot be given over a %T", socket, c)
	}
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	_ = c.SetWriteDeadline(time.Now().Add(greetTime))
	failed := raw.Control(func(fd uintptr) {
		_, _, err = to.WriteMsgUnix([]byte(hello), syscall.UnixRights(int(fd)), nil)
	})
	return errors.Join(failed, err)
}

// receive gets one.
func receive(c *net.UnixConn, until time.Time) (*net.UnixListener, error) {
	if err := c.SetReadDeadline(until); err != nil {
		return nil, err
	}
	text, beside := make([]byte, len(hello)), make([]byte, syscall.CmsgSpace(4))
	n, m, _, _, err := c.ReadMsgUnix(text, beside)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(beside[:m])
	if err != nil || len(messages) != 1 || string(text[:n]) != hello {
		return nil, fmt.Errorf("it says %q, which is no keeper's word", text[:n])
	}
	files, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(files) != 1 {
		return nil, errors.New("there is no socket beside its word")
	}
	file := os.NewFile(uintptr(files[0]), "keeper")
	defer file.Close() //nolint:errcheck // the listener has a copy
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	unix, ok := l.(*net.UnixListener)
	if !ok {
		_ = l.Close()
		return nil, fmt.Errorf("it gives a socket of %s, which is no unix socket", l.Addr().Network())
	}
	unix.SetUnlinkOnClose(false)
	return unix, nil
}
