// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sock_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/sock"
)

func TestDialer_probesAsItIsTold(t *testing.T) {
	cfg := sock.Config{Timeout: time.Second, Idle: 8 * time.Second, Interval: 2 * time.Second, Probes: 3}
	d := sock.Dialer(cfg)
	if k := d.KeepAliveConfig; !k.Enable || k.Idle != cfg.Idle || k.Interval != cfg.Interval || k.Count != cfg.Probes || d.Timeout != cfg.Timeout {
		t.Errorf("got %+v, want %+v", d, cfg)
	}
	if d := sock.Dialer(sock.Config{Idle: -1}); d.KeepAliveConfig.Enable || d.KeepAlive >= 0 {
		t.Errorf("switched off: got %+v", d)
	}
}
