// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/enmesh-go/enmesh"
)

// GenericKey is a constant (generic_key).
type GenericKey struct {
	Key   string // "" is "generic_key"
	Value string // must be set
}

// Entry is the constant.
func (a GenericKey) Entry(*enmesh.Call) (Entry, Effect) {
	return Entry{named(a.Key, "generic_key"), a.Value}, Add
}

func (a GenericKey) check() error {
	if a.Value == "" {
		return errors.New("GenericKey: Value is not set")
	}
	return nil
}

// RequestHeader is the value of a header (request_headers): the first, where there are
// several. The name may be one of the pseudo headers :method, :path (with the query),
// :authority and :scheme.
type RequestHeader struct {
	Name         string // must be set
	Key          string // must be set
	SkipIfAbsent bool   // a call without it has the descriptor all the same
}

// Entry is the header's value.
func (a RequestHeader) Entry(c *enmesh.Call) (Entry, Effect) {
	value, ok := headerOf(c, a.Name)
	return Entry{a.Key, value}, present(ok, a.SkipIfAbsent)
}

func (a RequestHeader) check() error {
	if a.Name == "" || a.Key == "" {
		return errors.New("RequestHeader: Name or Key is not set")
	}
	return nil
}

// QueryParameter is the value of a query parameter (query_parameters): the first, where
// there are several.
type QueryParameter struct {
	Name         string // must be set
	Key          string // must be set
	SkipIfAbsent bool   // a call without it has the descriptor all the same
}

// Entry is the parameter's value.
func (a QueryParameter) Entry(c *enmesh.Call) (Entry, Effect) {
	value, ok := queryOf(c, a.Name)
	return Entry{a.Key, value}, present(ok, a.SkipIfAbsent)
}

func (a QueryParameter) check() error {
	if a.Name == "" || a.Key == "" {
		return errors.New("QueryParameter: Name or Key is not set")
	}
	return nil
}

// RemoteAddress is the caller's address, as the connection has it (remote_address). A
// call whose caller is not known has no such descriptor.
type RemoteAddress struct{}

// Entry is the address, without the port.
func (RemoteAddress) Entry(c *enmesh.Call) (Entry, Effect) {
	addr, ok := remote(c)
	if !ok {
		return Entry{}, Drop
	}
	return Entry{"remote_address", addr.String()}, Add
}

// MaskedRemoteAddress is the network that the caller's address is in
// (masked_remote_address): "10.1.0.0/16".
type MaskedRemoteAddress struct {
	V4, V6 int // lengths of the prefix in bits; 0 is all, 32 and 128
}

// Entry is the network.
func (a MaskedRemoteAddress) Entry(c *enmesh.Call) (Entry, Effect) {
	addr, ok := remote(c)
	if !ok {
		return Entry{}, Drop
	}
	bits := a.V6
	if addr.Is4() {
		bits = a.V4
	}
	if bits == 0 {
		bits = addr.BitLen()
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return Entry{}, Drop
	}
	return Entry{"masked_remote_address", network.String()}, Add
}

func (a MaskedRemoteAddress) check() error {
	if a.V4 < 0 || a.V4 > 32 || a.V6 < 0 || a.V6 > 128 {
		return fmt.Errorf("MaskedRemoteAddress: V4 %d is not within 0 to 32, or V6 %d not within 0 to 128", a.V4, a.V6)
	}
	return nil
}

// DestinationCluster is the service that the call goes to (destination_cluster). On a
// server it is the server's own.
type DestinationCluster struct{}

// Entry is the service's key.
func (DestinationCluster) Entry(c *enmesh.Call) (Entry, Effect) {
	if c.Service == "" {
		return Entry{}, Drop
	}
	return Entry{"destination_cluster", c.Service}, Add
}

// SourceCluster is this program's own service (source_cluster).
type SourceCluster struct {
	Service string // must be set
}

// Entry is the service.
func (a SourceCluster) Entry(*enmesh.Call) (Entry, Effect) {
	return Entry{"source_cluster", a.Service}, Add
}

func (a SourceCluster) check() error {
	if a.Service == "" {
		return errors.New("SourceCluster: Service is not set")
	}
	return nil
}

func named(key, otherwise string) string {
	if key == "" {
		return otherwise
	}
	return key
}

func present(ok, skip bool) Effect {
	switch {
	case ok:
		return Add
	case skip:
		return Skip
	}
	return Drop
}

// remote is the caller's address; a v4 address within v6 is a v4 address.
func remote(c *enmesh.Call) (netip.Addr, bool) {
	if c.Source == nil || !c.Source.Addr.IsValid() {
		return netip.Addr{}, false
	}
	return c.Source.Addr.Addr().Unmap().WithZone(""), true
}
