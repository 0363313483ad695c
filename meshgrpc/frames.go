// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

// The parts of HTTP/2's framing (RFC 9113, section 4.1 and 6) that are of interest here.
const (
	frameHead       = 9 // bytes
	clientPreface   = 24
	kindData        = 0x0
	kindHeaders     = 0x1
	kindPushPromise = 0x5
	kindContinue    = 0x9
	endHeaders      = 0x4
)

// pingFrame is a PING whose eight bytes are neither grpc's keepalive's nor its
// bandwidth estimator's, so that grpc passes over the answer.
const pingFrame = "\x00\x00\x08\x06\x00\x00\x00\x00\x00" + "enmesh.1"

// frames follows one direction of an HTTP/2 connection, in whatever pieces it comes.
type frames struct {
	head [frameHead]byte
	have int  // bytes of head
	rest int  // bytes that the present frame still has
	open bool // a block of headers goes on in the next frame
}

// between reports whether another frame may be put in here.
func (f *frames) between() bool { return f.have == 0 && f.rest == 0 && !f.open }

// follow takes the next piece. It reports whether a frame of data or headers began in it.
func (f *frames) follow(p []byte) (content bool) {
	for len(p) > 0 {
		if f.rest > 0 {
			n := min(f.rest, len(p))
			f.rest -= n
			p = p[n:]
			continue
		}
		n := copy(f.head[f.have:], p)
		f.have += n
		p = p[n:]
		if f.have == frameHead {
			content = f.begin() || content
		}
	}
	return content
}

// begin reads a complete head.
func (f *frames) begin() (content bool) {
	f.have = 0
	f.rest = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
	switch f.head[3] {
	case kindHeaders, kindPushPromise, kindContinue:
		f.open = f.head[4]&endHeaders == 0
		return true
	case kindData:
		return true
	}
	return false
}
