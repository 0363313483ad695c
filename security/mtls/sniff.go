// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// handshakeRecord is the first byte of every TLS connection: a record of the handshake
// (RFC 8446, section 5.1). No request of HTTP/1 (RFC 9112, section 3), and not the
// preface of HTTP/2 (RFC 9113, section 3.4), begins with it.
const handshakeRecord = 0x16

// sniff reads the first byte of a connection and tells whether it begins TLS. The
// connection that it gives reads that byte again.
func sniff(ctx context.Context, raw net.Conn) (conn net.Conn, secured bool, err error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(time.Unix(1, 0)) }) // ends the read
	head := &headed{Conn: raw}
	_, err = io.ReadFull(raw, head.first[:])
	if !stop() {
		return nil, false, context.Cause(ctx)
	}
	if err != nil {
		return nil, false, err
	}
	return head, head.first[0] == handshakeRecord, nil
}

// headed is a connection whose first byte was read already.
type headed struct {
	net.Conn
	first [1]byte
	taken bool // belongs to Read, of which there is one at a time
}

// Read gives the first byte, and then reads on.
func (h *headed) Read(p []byte) (int, error) {
	if h.taken || len(p) == 0 {
		return h.Conn.Read(p)
	}
	h.taken = true
	p[0] = h.first[0]
	return 1, nil
}

// ReadFrom lets the connection below take a file without copying, where it can.
func (h *headed) ReadFrom(r io.Reader) (int64, error) { return io.Copy(h.Conn, r) }

// aging is the connection below TLS, with the time when it is too old.
type aging struct {
	*tlslive.Conn
	until time.Time // zero: never
}
