// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe

import (
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/enmesh-go/enmesh/security"
)

// Config says where the Workload API is and which of its identities to take. The zero
// value asks at the address that the environment gives and takes the first identity.
type Config struct {
	// Address is "unix:///path/to.sock" or "tcp://127.0.0.1:port". "" is the variable
	// SPIFFE_ENDPOINT_SOCKET.
	Address string
	// ID chooses among several identities. The zero ID takes the first, which is the default
	// one by the standard, or the first of those with the Hint.
	ID security.ID
	// Hint chooses among several identities by the operator's word for their use. "" does
	// not look at it.
	Hint string
	// Backoff is the wait after a failure, with full jitter: doubled from Base by each
	// failure in a row, at most Cap.
	Backoff Backoff
	// OnUpdate, when set, hears of each identity that is taken, the first included, and of
	// each new failure with the identity that stays in force. It is called on the watching
	// goroutine, never twice at once, and must not block for long.
	OnUpdate func(*security.Identity, error)
	// Now replaces time.Now for the certificate's dates.
	Now func() time.Time
}

// Backoff bounds the wait after a failure.
type Backoff struct {
	Base time.Duration // 0 means 100 ms; negative is refused
	Cap  time.Duration // 0 means 10 s; below Base is refused
}

// complete fills in defaults and refuses what makes no sense.
func (c *Config) complete() error {
	if c.Address == "" {
		address, ok := workloadapi.GetDefaultAddress()
		if !ok || address == "" {
			return errors.New("spiffe: Address is not set, nor is SPIFFE_ENDPOINT_SOCKET")
		}
		c.Address = address
	}
	if err := workloadapi.ValidateAddress(c.Address); err != nil {
		return fmt.Errorf("spiffe: Address %q: %w", c.Address, err)
	}
	if c.Backoff.Base == 0 {
		c.Backoff.Base = 100 * time.Millisecond
	}
	if c.Backoff.Cap == 0 {
		c.Backoff.Cap = max(10*time.Second, c.Backoff.Base)
	}
	if c.Backoff.Base < 0 || c.Backoff.Cap < c.Backoff.Base {
		return fmt.Errorf("spiffe: Backoff.Base %v is negative, or above Backoff.Cap %v", c.Backoff.Base, c.Backoff.Cap)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}
