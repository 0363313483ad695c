// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"os"
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
