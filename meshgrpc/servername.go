// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"errors"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/urlhost"
)

// ServerNameCheck says whether a call over TLS must be for the host that its connection was
// made to.
type ServerNameCheck uint8

// When the server name that a client sent in its TLS handshake (SNI) must be the host of
// its call's authority. A call for another fails with InvalidArgument, as HTTP's 421 is for.
// A client that sent no name, or whose call has no authority, is not held to it.
const (
	// CheckOutside, the default, holds those callers to it that have no verified identity.
	// Who has one knows the server by its identity too: mesh clients may send any name, and
	// routes may rewrite the authority.
	CheckOutside ServerNameCheck = iota
	// CheckAll holds every caller to it.
	CheckAll
	// CheckNone holds nobody to it.
	CheckNone
)

// WithServerNameCheck sets who is held to the name that it sent in its TLS handshake. The
// default is [CheckOutside].
func WithServerNameCheck(c ServerNameCheck) ServerOption {
	return serverOption(func(s *Server) { s.serverName = c })
}

var errMisdirected = &enmesh.Error{
	Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Policy: "meshgrpc",
	Err: errors.New("meshgrpc: the authority is not the server that the connection was made to"),
}

// misdirected reports whether c, over TLS, is for another host than its connection.
func (s *Server) misdirected(c *enmesh.Call) bool {
	name := c.Source.TLS.ServerName
	if name == "" || c.Authority == "" || s.serverName == CheckNone {
		return false
	}
	if strings.EqualFold(strings.TrimSuffix(name, "."), urlhost.Name(c.Authority)) {
		return false
	}
	return s.serverName == CheckAll || c.Source.Identity == ""
}
