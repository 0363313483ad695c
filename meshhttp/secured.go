// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// keep has a connection that was made by the mesh's cfg checked while it is open, as the
// mesh would check a new one to the endpoint at that time.
func (d *dialer) keep(conn *tlslive.Conn, state tls.ConnectionState, cfg *tls.Config) {
	if cfg.VerifyConnection == nil {
		return
	}
	conn.Keep(func() error {
		if cfg := d.secure.ClientTLS(d.e); cfg != nil && cfg.VerifyConnection != nil {
			return cfg.VerifyConnection(state)
		}
		return nil
	})
	own, peer := tlslive.Ends(cfg, &state)
	d.term.begin(tlslive.Use(time.Now(), rand.Float64(), own, peer))
}

var errExposed = errors.New("meshhttp: the connection is in plaintext, and policy wants TLS")

// exposed is a connection in plaintext that ends once the Source wants TLS for its endpoint:
// new calls are made over another one then, and what is still on it a moment later is cut.
func (d *dialer) exposed(conn net.Conn) net.Conn {
	if d.secure == nil {
		return conn
	}
	kept, warned := d.live.Wrap(conn), false
	kept.Keep(func() error {
		switch {
		case d.secure.ClientTLS(d.e) == nil:
			warned = false
		case warned:
			return errExposed
		default:
			warned = true
		}
		return nil
	})
	return kept
}

// term is how long the connections of a pool are used, so that they end softly, between
// calls, before a certificate of theirs does.
type term struct {
	over func() // called once, at its end

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	ended bool
}

// begin counts from the first connection; later ones have later certificates.
func (t *term) begin(use time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer == nil && !t.ended {
		t.timer = time.AfterFunc(use, t.over)
	}
}

func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// renew has calls to e make new connections, while those of old finish what they carry.
func (p *pools) renew(e *balance.Endpoint, old *pool) {
	if !p.byEnd.CompareAndDelete(e, old) {
		return
	}
	old.retire()
	if old.cfg.Prewarm > 0 {
		p.warm([]*balance.Endpoint{e})
	}
}
