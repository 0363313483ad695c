// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

var errBlock = errors.New("is neither an IP address nor a CIDR range, such as 203.0.113.4, 203.0.113.0/24, 2001:db8::/32")

// parseBlock reads an address or a range. Bits of the host are dropped, as Istio does, and
// IPv4 written as IPv6 becomes IPv4.
func parseBlock(value string) (netip.Prefix, error) {
	if !strings.Contains(value, "/") {
		addr, err := netip.ParseAddr(value)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errBlock
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return netip.Prefix{}, errBlock
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, errBlock
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// blocks are ranges of addresses, each with what belongs to it: one look-up for each
// length that occurs.
type blocks[T any] struct {
	bits4, bits6 []int
	of           map[netip.Prefix]T
}

func (b *blocks[T]) add(p netip.Prefix, value T) {
	if b.of == nil {
		b.of = map[netip.Prefix]T{}
	}
	b.of[p] = value
	bits := &b.bits6
	if p.Addr().Is4() {
		bits = &b.bits4
	}
	if !slices.Contains(*bits, p.Bits()) {
		*bits = append(*bits, p.Bits())
	}
}

// lengths are those of the ranges that an address can lie in.
func (b *blocks[T]) lengths(addr netip.Addr) []int {
	if addr.Is4() {
		return b.bits4
	}
	return b.bits6
}

// contain reports whether one of the ranges has the address, which is plain.
func (b *blocks[T]) contain(addr netip.Addr) bool {
	for _, n := range b.lengths(addr) {
		if p, err := addr.Prefix(n); err == nil {
			if _, ok := b.of[p]; ok {
				return true
			}
		}
	}
	return false
}

func newBlocks(values []string) (*blocks[struct{}], error) {
	b := &blocks[struct{}]{}
	for i, value := range values {
		p, err := parseBlock(value)
		if err != nil {
			return nil, bad(i, value, err)
		}
		b.add(p, struct{}{})
	}
	return b, nil
}

// plainAddr is an address as ranges have it: without a zone, IPv4 as IPv4.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// forwarded is the original caller by the lines of X-Forwarded-For, to which each of so many proxies
// has added who it was called by. Where there are fewer entries, the call did not come
// through them all, and there is none: it is zero, and ok. An entry that is no address is
// not ok.
//
// Source: Envoy, use_remote_address with xff_num_trusted_hops.
func forwarded(lines []string, proxies int) (addr netip.Addr, ok bool) {
	for _, line := range slices.Backward(lines) {
		for {
			comma := strings.LastIndexByte(line, ',')
			proxies--
			if proxies == 0 {
				return parseForwarded(trim(line[comma+1:]))
			}
			if comma < 0 {
				break
			}
			line = line[:comma]
		}
	}
	return netip.Addr{}, true
}

// parseForwarded reads an address, which may have a port.
func parseForwarded(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return plainAddr(addr), true
	}
	if at, err := netip.ParseAddrPort(s); err == nil {
		return plainAddr(at.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil && addr.Is6() && s[len(s)-1] == ']' {
			return plainAddr(addr), true
		}
	}
	return netip.Addr{}, false
}

// trim takes the white space of HTTP off both ends.
func trim(s string) string { return strings.Trim(s, " \t") }
