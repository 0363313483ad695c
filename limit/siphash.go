// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// secret is the secret of a hash, drawn anew for every limit: who does not know it cannot
// choose keys that meet.
type secret struct{ k0, k1 uint64 }

func newSecret() secret {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return secret{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// sip is SipHash-2-4 with 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input
// PRF", 2012), of words of eight bytes.
type sip struct {
	v0, v1, v2, v3 uint64
	words          uint64
}

func (k secret) start() sip {
	return sip{
		v0: k.k0 ^ 0x736f6d6570736575,
		v1: k.k1 ^ 0x646f72616e646f6d ^ 0xee,
		v2: k.k0 ^ 0x6c7967656e657261,
		v3: k.k1 ^ 0x7465646279746573,
	}
}

func (s *sip) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}

func (s *sip) word(m uint64) {
	s.v3 ^= m
	s.round()
	s.round()
	s.v0 ^= m
	s.words++
}

// part takes a string in: its length, and its bytes filled up with zeros to whole words.
// So no two lists of parts are the same words.
func (s *sip) part(text string) {
	s.word(uint64(len(text)))
	for len(text) >= 8 {
		s.word(uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56)
		text = text[8:]
	}
	if text == "" {
		return
	}
	var last uint64
	for i := range len(text) {
		last |= uint64(text[i]) << (8 * i)
	}
	s.word(last)
}

// digest is a key as it is kept.
type digest struct{ hi, lo uint64 }

func (s *sip) sum() digest {
	s.word(s.words * 8 << 56) // the length in bytes, modulo 256; there is no rest
	s.v2 ^= 0xee
	for range 4 {
		s.round()
	}
	d := digest{hi: s.v0 ^ s.v1 ^ s.v2 ^ s.v3}
	s.v1 ^= 0xdd
	for range 4 {
		s.round()
	}
	d.lo = s.v0 ^ s.v1 ^ s.v2 ^ s.v3
	return d
}
