// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package framing

import (
	"bytes"
	"strconv"
)

// place is what a byte belongs to.
type place uint8

const (
	requestLine place = iota
	fieldName
	fieldValue
	headEnd // the LF after the CR that ends a head, or the fields behind a body
	body    // as long as the head said
	chunkSize
	chunkExtension
	chunkData
	chunkEnd // the CR and LF behind a chunk
	free     // nothing is followed: it is not HTTP/1, or the server refuses it by itself
	wrong    // there was a mistake
)

// kind is what a field says of the body.
type kind uint8

const (
	other kind = iota
	length
	coding
)

// scanner knows to what the next byte belongs.
type scanner struct {
	at    place
	fresh bool // it is the first of a field's line
	cr    bool // the one before is a CR

	version       [8]byte // the last ones of a request's line, zero as long as it is empty
	trailer       bool    // the fields are those behind a body
	field         kind
	sized, chunks bool // the head has a length, or a coding

	text [20]byte // of a name in small letters, a value, or a chunk's size
	long int      // how long it is; above the size of text there is more
	left uint64   // bytes of the body, or of a chunk
}

// follow takes b and says how much of it there is before a mistake.
func (s *scanner) follow(b []byte) int {
	for i := 0; i < len(b) && s.at != free; {
		n := s.leap(b[i:])
		if n == 0 {
			n = s.step(b[i])
		}
		if i += n; s.at == wrong {
			return i
		}
	}
	return len(b)
}

// leap takes as much as need not be looked at byte by byte; none where that cannot be said.
func (s *scanner) leap(b []byte) int {
	switch s.at {
	case body, chunkData:
		return s.skip(len(b))
	case requestLine:
		return s.leapRequestLine(b)
	case fieldName:
		return s.leapName(b)
	case fieldValue:
		if s.field == other && !s.cr {
			return untilEnd(b)
		}
	}
	return 0
}

// untilEnd is how much there is before the end of a line.
func untilEnd(b []byte) int {
	if n := bytes.IndexByte(b, '\n'); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	} else if n >= 0 {
		b = b[:n]
	}
	if n := bytes.IndexByte(b, '\r'); n >= 0 {
		return n
	}
	return len(b)
}

// leapRequestLine takes a line that is there whole, but for its end.
func (s *scanner) leapRequestLine(b []byte) int {
	n := untilEnd(b)
	if s.cr || n < len(s.version) || n == len(b) {
		return 0
	}
	copy(s.version[:], b[n-len(s.version):])
	return n
}

// leapName takes a name that is there whole, and not of a length that matters.
func (s *scanner) leapName(b []byte) int {
	n := bytes.IndexByte(b, ':')
	if !s.fresh || n < 1 || n == len("content-length") || n == len("transfer-encoding") || b[0] <= ' ' || bytes.IndexByte(b[:n], '\n') >= 0 {
		return 0
	}
	s.next(fieldValue)
	s.field = other
	return n + 1
}

// skip takes bytes that are counted only.
func (s *scanner) skip(most int) int {
	n := most
	if uint64(n) >= s.left {
		n = int(s.left)
		if s.at == body {
			s.request()
		} else {
			s.at = chunkEnd
		}
	}
	s.left -= uint64(n)
	return n
}

// step takes a byte, unless that is a mistake: then it takes none.
func (s *scanner) step(c byte) int {
	if c == '\n' && !s.cr && !s.endsAlone() {
		s.at = wrong
		return 0
	}
	switch s.at {
	case requestLine:
		s.inRequestLine(c)
	case fieldName:
		s.inName(c)
	case fieldValue:
		s.inValue(c)
	case headEnd:
		s.ended(c)
	case chunkSize, chunkExtension:
		s.inChunk(c)
	case chunkEnd:
		if c == '\n' {
			s.next(chunkSize)
		}
	}
	if s.at == wrong {
		return 0
	}
	s.cr = c == '\r'
	return 1
}

// endsAlone reports whether an LF without CR is the server's to refuse here: an empty line
// before a request, and around a chunk.
func (s *scanner) endsAlone() bool {
	return s.at == requestLine && s.version == [8]byte{} || s.at == chunkEnd || s.at == chunkSize || s.at == chunkExtension
}

// next goes to the beginning of something.
func (s *scanner) next(at place) { s.at, s.fresh, s.long = at, at == fieldName, 0 }

// request goes to the beginning of a request.
func (s *scanner) request() {
	s.next(requestLine)
	s.version, s.trailer, s.sized, s.chunks, s.left = [8]byte{}, false, false, false, 0
}

func (s *scanner) inRequestLine(c byte) {
	switch {
	case c == '\r':
	case c != '\n':
		copy(s.version[:], s.version[1:])
		s.version[7] = c
	case s.version == [8]byte{}: // an empty line, which the server skips or refuses
	case string(s.version[:7]) == "HTTP/1.":
		s.next(fieldName)
	default: // HTTP/2, or nothing that is served
		s.at = free
	}
}

func (s *scanner) inName(c byte) {
	if s.fresh {
		switch c {
		case ' ', '\t': // the line before goes on
			s.at = wrong
			return
		case '\r':
			s.at = headEnd
			return
		}
		s.fresh = false
	}
	switch c {
	case ':':
		s.named()
	case '\n': // no field
		s.at = free
	default:
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		s.keep(c)
	}
}

// named is the end of a field's name.
func (s *scanner) named() {
	s.field = other
	if !s.trailer && s.long <= len(s.text) {
		switch string(s.text[:s.long]) {
		case "content-length":
			s.field = length
		case "transfer-encoding":
			s.field = coding
		}
	}
	if s.field == length && (s.sized || s.chunks) || s.field == coding && (s.sized || s.chunks || s.version[7] == '0') {
		s.at = wrong
		return
	}
	s.sized, s.chunks = s.sized || s.field == length, s.chunks || s.field == coding
	s.next(fieldValue)
}

func (s *scanner) inValue(c byte) {
	switch {
	case c == '\n':
		s.valued()
	case s.long == 0 && (c == ' ' || c == '\t'), c == '\r':
	default:
		s.keep(c)
	}
}

// valued is the end of a field's value.
func (s *scanner) valued() {
	if s.field != other && s.long > len(s.text) {
		s.at = wrong
		return
	}
	text := bytes.TrimRight(s.text[:min(s.long, len(s.text))], " \t")
	at := fieldName
	switch s.field {
	case length:
		n, err := strconv.ParseUint(string(text), 10, 63)
		if s.left = n; err != nil {
			at = wrong
		}
	case coding:
		if !bytes.EqualFold(text, []byte("chunked")) {
			at = free // the server knows no other
		}
	case other:
	}
	if at == fieldName {
		s.next(at)
	}
	s.at = at
}

// ended is the end of the fields.
func (s *scanner) ended(c byte) {
	switch {
	case c != '\n': // no field
		s.at = free
	case s.trailer:
		s.request()
	case s.chunks:
		s.next(chunkSize)
	case s.left > 0:
		s.at = body
	default:
		s.request()
	}
}

func (s *scanner) inChunk(c byte) {
	switch {
	case c == '\n':
		s.chunk()
	case s.at == chunkExtension:
	case '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F':
		s.keep(c)
	default:
		s.at = chunkExtension
	}
}

// chunk is the end of a chunk's first line.
func (s *scanner) chunk() {
	n, err := strconv.ParseUint(string(s.text[:min(s.long, len(s.text))]), 16, 64)
	switch {
	case err != nil || s.long > 16: // the server refuses it
		s.at = free
	case n == 0:
		s.trailer = true
		s.next(fieldName)
	default:
		s.at, s.left = chunkData, n
	}
}

// keep keeps a byte of a name, a value or a chunk's size.
func (s *scanner) keep(c byte) {
	if s.long < len(s.text) {
		s.text[s.long] = c
	}
	if s.long <= len(s.text) {
		s.long++
	}
}
