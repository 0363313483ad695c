// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import "fmt"

// Mode is what a [Listener] takes at a port, as PeerAuthentication says it.
type Mode uint8

const (
	// Strict takes mutual TLS and nothing else. It is the zero Mode.
	Strict Mode = iota
	// Permissive takes mutual TLS and plaintext, told apart by their first byte. Whoever
	// comes in plaintext has no identity.
	Permissive
	// Disable takes plaintext only.
	Disable
)

// String is the mode in PeerAuthentication's spelling.
func (m Mode) String() string {
	switch m {
	case Strict:
		return "STRICT"
	case Permissive:
		return "PERMISSIVE"
	case Disable:
		return "DISABLE"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}
