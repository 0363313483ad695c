// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package flood

// The parts of HTTP/2's framing (RFC 9113, sections 3.4, 4.1 and 6) that matter here.
const (
	headLen    = 9
	prefaceLen = 24
	peekLen    = 4 // bytes of a frame's payload that are looked at

	kindData         = 0x0
	kindHeaders      = 0x1
	kindReset        = 0x3
	kindSettings     = 0x4
	kindPush         = 0x5
	kindPing         = 0x6
	kindWindowUpdate = 0x8
	kindContinuation = 0x9

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8

	goAwayCalm = 0xb // ENHANCE_YOUR_CALM
)

// frame is what is read of one: its head, and where its kind needs that, up to four bytes
// of what follows.
type frame struct {
	length int
	kind   byte
	flags  byte
	stream uint32
	peek   [peekLen]byte
}

func (f *frame) has(flag byte) bool { return f.flags&flag != 0 }

// word is the number that a RST_STREAM or WINDOW_UPDATE carries.
func (f *frame) word() uint32 {
	return uint32(f.peek[0])<<24 | uint32(f.peek[1])<<16 | uint32(f.peek[2])<<8 | uint32(f.peek[3])
}

// body is the length of a DATA frame without its padding; negative where the frame is
// malformed.
func (f *frame) body() int {
	if !f.has(flagPadded) {
		return f.length
	}
	return f.length - 1 - int(f.peek[0])
}

// scanner follows one direction of a connection, in whatever pieces it comes.
type scanner struct {
	head [headLen + peekLen]byte
	have int  // bytes of head
	want int  // bytes of head that the present frame needs; 0: headLen
	rest int  // bytes that are passed over: of the preface, or of a frame
	open bool // a block of headers goes on in the next frame
}

// between reports whether a frame of another kind may be put in here.
func (s *scanner) between() bool { return s.have == 0 && s.rest == 0 && !s.open }

// next takes from p up to the end of the next frame's head, and reports whether there is
// one; what is left of p comes back.
func (s *scanner) next(p []byte, f *frame) (left []byte, ok bool) {
	if s.rest > 0 {
		n := min(s.rest, len(p))
		s.rest -= n
		p = p[n:]
	}
	for len(p) > 0 {
		n := copy(s.head[s.have:max(s.want, headLen)], p)
		s.have += n
		p = p[n:]
		switch {
		case s.have < headLen:
			return p, false
		case s.want == 0:
			s.want = headLen + s.needs()
		}
		if s.have == s.want {
			s.take(f)
			return p, true
		}
	}
	return p, false
}

// length is what the present head says.
func (s *scanner) length() int {
	return int(s.head[0])<<16 | int(s.head[1])<<8 | int(s.head[2])
}

// needs is how much of the payload is looked at.
func (s *scanner) needs() int {
	switch kind, flags := s.head[3], s.head[4]; {
	case kind == kindReset, kind == kindWindowUpdate:
		return min(peekLen, s.length())
	case kind == kindData && flags&flagPadded != 0:
		return min(1, s.length())
	}
	return 0
}

// take reads the head that is complete, and begins to pass over the frame.
func (s *scanner) take(f *frame) {
	*f = frame{length: s.length(), kind: s.head[3], flags: s.head[4]}
	f.stream = (uint32(s.head[5])<<24 | uint32(s.head[6])<<16 | uint32(s.head[7])<<8 | uint32(s.head[8])) & (1<<31 - 1)
	copy(f.peek[:], s.head[headLen:s.have])
	s.rest = f.length - (s.have - headLen)
	s.have, s.want = 0, 0
	switch f.kind {
	case kindHeaders, kindPush, kindContinuation:
		s.open = !f.has(flagEndHeaders)
	}
}
