// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"net/textproto"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Key says whose limit a call counts against. Keys are made by this package's functions
// ([ByHeader], [ByMethod], [ByPath], [ByPrincipal], [BySource], [ByAll], [ByFunc]), and but
// for those of ByFunc they are comparable by what they say. Whatever a key is, how long and
// of which bytes, only a hash of 16 bytes is kept of it, under a secret of its own for every
// limit, so that nobody can choose keys that meet. A call that has no such key counts as
// one whose key is "".
type Key interface {
	// add is the hash with the key of c taken in. It goes by value, since what an
	// interface's method gets a pointer to is allocated.
	add(s sip, c *enmesh.Call) sip
	// check refuses a key that makes no sense.
	check() error
}

// ByHeader is the first value of a request header or metadata key.
func ByHeader(name string) Key {
	return headerKey{textproto.CanonicalMIMEHeaderKey(name), strings.ToLower(name)}
}

// ByMethod is the call's method: HTTP's, and in gRPC "POST".
func ByMethod() Key { return fieldMethod }

// ByPath is the call's path, in gRPC the full method name.
func ByPath() Key { return fieldPath }

// ByPrincipal is the caller's verified identity, a SPIFFE ID for instance, on a server.
// Callers without one share the key "".
func ByPrincipal() Key { return fieldPrincipal }

// BySource is the address that the connection comes from, on a server, cut to its first
// bits. 0 of v4 is 32, and 0 of v6 is 64: who has one IPv6 address has all of its network.
func BySource(v4, v6 int) Key {
	if v4 == 0 {
		v4 = 32
	}
	if v6 == 0 {
		v6 = 64
	}
	return sourceKey{v4, v6}
}

// maxKeys is how many parts ByAll takes.
const maxKeys = 4

// ByAll is several keys at once: calls share a limit when they agree in all of them.
// It takes up to 4.
func ByAll(keys ...Key) Key {
	var all allKey
	all.n = len(keys)
	copy(all.keys[:], keys)
	return all
}

// ByFunc is what f makes of a call, a claim of its token for instance. f is called on the
// call's goroutine. Each call of ByFunc makes a key that equals no other.
func ByFunc(f func(*enmesh.Call) string) Key { return &funcKey{f} }

// headerKey is a header's name in both spellings, so that neither is made for a call.
type headerKey struct{ http, grpc string }

func (k headerKey) add(s sip, c *enmesh.Call) sip {
	name := k.http
	if c.Protocol == enmesh.GRPC {
		name = k.grpc
	}
	value := ""
	if c.Header != nil {
		value = c.Header.Get(name)
	}
	s.part(value)
	return s
}

func (k headerKey) check() error {
	if k.http == "" {
		return fmt.Errorf("limit: ByHeader has no name")
	}
	return nil
}

type fieldKey uint8

const (
	fieldMethod fieldKey = iota
	fieldPath
	fieldPrincipal
)

func (k fieldKey) add(s sip, c *enmesh.Call) sip {
	switch {
	case k == fieldMethod:
		s.part(c.Method)
	case k == fieldPath:
		s.part(c.Path)
	case c.Source != nil:
		s.part(c.Source.Identity)
	default:
		s.part("")
	}
	return s
}

func (fieldKey) check() error { return nil }

type sourceKey struct{ v4, v6 int }

func (k sourceKey) add(s sip, c *enmesh.Call) sip {
	var addr netip.Addr
	if c.Source != nil {
		addr = c.Source.Addr.Addr().Unmap()
	}
	bits := k.v6
	if addr.Is4() {
		bits = k.v4
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil { // no address
		s.word(0)
		return s
	}
	b := prefix.Addr().As16()
	s.word(uint64(addr.BitLen()))
	s.word(binary.LittleEndian.Uint64(b[:8]))
	s.word(binary.LittleEndian.Uint64(b[8:]))
	return s
}

func (k sourceKey) check() error {
	if k.v4 < 0 || k.v4 > 32 || k.v6 < 0 || k.v6 > 128 {
		return fmt.Errorf("limit: BySource(%d, %d) is not within 32 and 128 bits", k.v4, k.v6)
	}
	return nil
}

type allKey struct {
	n    int
	keys [maxKeys]Key
}

func (k allKey) add(s sip, c *enmesh.Call) sip {
	for _, key := range k.keys[:k.n] {
		s = key.add(s, c)
	}
	return s
}

func (k allKey) check() error {
	if k.n < 1 || k.n > maxKeys {
		return fmt.Errorf("limit: ByAll has %d keys, which is not within 1 to %d", k.n, maxKeys)
	}
	for _, key := range k.keys[:k.n] {
		if key == nil {
			return fmt.Errorf("limit: ByAll has a key that is nil")
		}
		if err := key.check(); err != nil {
			return err
		}
	}
	return nil
}

type funcKey struct{ f func(*enmesh.Call) string }

func (k *funcKey) add(s sip, c *enmesh.Call) sip {
	s.part(k.f(c))
	return s
}

func (k *funcKey) check() error {
	if k.f == nil {
		return fmt.Errorf("limit: ByFunc has no function")
	}
	return nil
}
