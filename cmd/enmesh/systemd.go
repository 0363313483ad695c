// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
)

// tellSystemd says to the service manager how a command of Type=notify is, if it runs under
// one: "READY=1", "STOPPING=1". Where that cannot be said, the manager's own timeout holds.
//
// Source: systemd's sd_notify(3).
func tellSystemd(ctx context.Context, state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unixgram", path)
	if err != nil {
		return
	}
	_, _ = c.Write([]byte(state)) // see above
	_ = c.Close()
}

// firstInherited is the number of the first file that a service manager hands over.
const firstInherited = 3

// inherited are the sockets that the service manager opened for this process and keeps while
// it is away; none without one. It is to be called once: the variables that it reads are unset.
//
// Source: systemd's sd_listen_fds(3).
func inherited() ([]net.Listener, error) {
	whose, number := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if whose == "" || whose != strconv.Itoa(os.Getpid()) {
		return nil, nil // they are another process's
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // it fails on an empty name only
	}
	const most = 64
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > most {
		return nil, fmt.Errorf("LISTEN_FDS is %q, want the number of sockets, %d at most", number, most)
	}
	var all []net.Listener
	for fd := firstInherited; fd < firstInherited+n; fd++ {
		file := os.NewFile(uintptr(fd), "LISTEN_FDS "+strconv.Itoa(fd))
		l, err := net.FileListener(file)
		_ = file.Close() // l has a copy
		if err != nil {
			for _, one := range all {
				_ = one.Close()
			}
			return nil, fmt.Errorf("file %d of LISTEN_FDS: %w: want a socket that listens (ListenStream= of systemd)", fd, err)
		}
		all = append(all, l)
	}
	return all, nil
}
