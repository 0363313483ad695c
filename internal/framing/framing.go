// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package framing follows the requests of an HTTP/1.1 connection on their way to a server, and
// has those refused that two servers may read differently, of which one passes on what the
// other takes for something else (request smuggling; RFC 9112, sections 2.2, 5.2, 6.1, 6.3
// and 11.2): a length beside a transfer coding or another length, a transfer coding in
// HTTP/1.0, a folded line, a line that ends without CR.
//
// A server may be lenient with all of these, and net/http is, without telling its handlers. It
// is refused by what it reads: from the mistake on, a [Reader] gives it a line that is no
// field, and then nothing more. So the server itself answers with 400, after the answers to
// earlier requests, and closes. Nothing is copied or held back; bytes of bodies are counted,
// not read.
package framing

import "io"

// Reader reads a connection for a server.
type Reader struct {
	from io.Reader
	scan scanner
	rest []byte // of what a mistake is replaced by
}

// NewReader reads from the beginning of a connection.
func NewReader(from io.Reader) *Reader { return &Reader{from: from} }

// noField ends a line, and then a head with a line that no server takes for a field.
const noField = "\r\n!\r\n\r\n"

// Read gives what came, up to the first mistake.
func (r *Reader) Read(b []byte) (int, error) {
	if r.scan.at == wrong {
		return r.refuse(b)
	}
	n, err := r.from.Read(b)
	good := r.scan.follow(b[:n])
	if r.scan.at != wrong {
		return n, err
	}
	if r.rest = []byte(noField); r.scan.fresh {
		r.rest = r.rest[2:]
	}
	more := copy(b[good:], r.rest)
	r.rest = r.rest[more:]
	return good + more, nil
}

// refuse gives what a mistake is replaced by, and then nothing until the connection ends: a
// request before may still be served, and its client is there.
func (r *Reader) refuse(b []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(b, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	for {
		if n, err := r.from.Read(b); err != nil || n == 0 {
			return 0, err
		}
	}
}

// Free has everything pass from now on: the connection is not HTTP's any more. It must not be
// called during a Read.
func (r *Reader) Free() {
	if r.scan.at != wrong {
		r.scan.at = free
	}
}
