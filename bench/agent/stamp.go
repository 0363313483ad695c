// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

// prefix begins the addresses that hold a moment.
const prefix = "fd00:"

// stamp is an address that holds a moment; the zero time makes one that holds none.
func stamp(t time.Time) netip.Addr {
	raw := [16]byte{0xfd}
	if !t.IsZero() {
		binary.BigEndian.PutUint64(raw[8:], uint64(t.UnixNano()))
	}
	return netip.AddrFrom16(raw)
}

// stamped finds the moment in an encoded resource.
func stamped(b []byte) (t time.Time, ok bool) {
	i := bytes.Index(b, []byte(prefix))
	if i < 0 {
		return t, false
	}
	b = b[i:]
	n := bytes.IndexFunc(b, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef:", r) })
	if n < 0 {
		n = len(b)
	}
	a, err := netip.ParseAddr(string(b[:n]))
	if err != nil {
		return t, false
	}
	raw := a.As16()
	nanos := binary.BigEndian.Uint64(raw[8:])
	return time.Unix(0, int64(nanos)), nanos != 0
}
