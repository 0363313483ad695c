// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Key says whose limit a call counts against. Keys are made by this package's functions
// ([ByHeader], [ByMethod], [ByPath], [ByPrincipal], [ByClaim], [BySource], [ByAll], [ByFunc]), and but
// for those of ByFunc they are comparable by what they say. Whatever a key is, how long and
// of which bytes, only a hash of 16 bytes is kept of it, under a secret of its own for every
// limit, so that nobody can choose keys that meet. A call that has no such key counts as
// one whose key is "".
type Key interface {
	// add is the hash with the key of c taken in. It goes by value, since what an
	// interface's method gets a pointer to is allocated.
	add(s sip, c *enmesh.Call) sip
	// text is the key of c as everybody sees it, and whether c has one.
	text(c *enmesh.Call) (string, bool)
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

// ByFunc is what f makes of a call. f is called on the
// call's goroutine. Each call of ByFunc makes a key that equals no other.
func ByFunc(f func(*enmesh.Call) string) Key { return &funcKey{f} }

// TextOf is the key of a call in plain text, which is the same in every process, and whether
// the call has one: a header that is there, for instance. Of an address that is cut it is
// the network, "10.1.0.0/16", and of several keys at once each one after its length.
func TextOf(k Key, c *enmesh.Call) (text string, ok bool) { return k.text(c) }

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

func (k headerKey) text(c *enmesh.Call) (string, bool) {
	name := k.http
	if c.Protocol == enmesh.GRPC {
		name = k.grpc
	}
	if c.Header == nil {
		return "", false
	}
	values := c.Header.Values(name)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
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

func (k fieldKey) text(c *enmesh.Call) (text string, ok bool) {
	switch {
	case k == fieldMethod:
		text = c.Method
	case k == fieldPath:
		text = c.Path
	case c.Source != nil:
		text = c.Source.Identity
	}
	return text, text != ""
}

func (fieldKey) check() error { return nil }

type sourceKey struct{ v4, v6 int }

func (k sourceKey) add(s sip, c *enmesh.Call) sip {
	network, ok := k.network(c)
	if !ok {
		s.word(0)
		return s
	}
	b := network.Addr().As16()
	s.word(uint64(network.Addr().BitLen()))
	s.word(binary.LittleEndian.Uint64(b[:8]))
	s.word(binary.LittleEndian.Uint64(b[8:]))
	return s
}

// network is the address of c, cut.
func (k sourceKey) network(c *enmesh.Call) (netip.Prefix, bool) {
	if c.Source == nil {
		return netip.Prefix{}, false
	}
	addr := c.Source.Addr.Addr().Unmap()
	bits := k.v6
	if addr.Is4() {
		bits = k.v4
	}
	network, err := addr.WithZone("").Prefix(bits)
	return network, err == nil && network.IsValid()
}

func (k sourceKey) text(c *enmesh.Call) (string, bool) {
	network, ok := k.network(c)
	switch {
	case !ok:
		return "", false
	case network.IsSingleIP():
		return network.Addr().String(), true
	}
	return network.String(), true
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

func (k allKey) text(c *enmesh.Call) (string, bool) {
	var all []byte
	whole := true
	for _, key := range k.keys[:k.n] {
		text, ok := key.text(c)
		whole = whole && ok
		all = strconv.AppendInt(all, int64(len(text)), 10)
		all = append(append(all, ':'), text...)
	}
	return string(all), whole
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

func (k *funcKey) text(c *enmesh.Call) (string, bool) {
	text := k.f(c)
	return text, text != ""
}

func (k *funcKey) check() error {
	if k.f == nil {
		return fmt.Errorf("limit: ByFunc has no function")
	}
	return nil
}
