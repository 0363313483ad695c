// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"errors"
	"fmt"
)

// Instance is what a process announces about itself: which service it belongs
// to, an ID that is unique within the service, and the endpoint it can be reached
// at.
type Instance struct {
	Service string
	ID      string
	Endpoint
}

// Validate says what is missing for the instance to be announced, or nil.
func (in Instance) Validate() error {
	switch {
	case in.Service == "":
		return errors.New("discovery: instance has no service name")
	case in.ID == "":
		return fmt.Errorf("discovery: instance of service %q has no ID", in.Service)
	case len(in.Addrs) == 0:
		return fmt.Errorf("discovery: instance %q of service %q has no address", in.ID, in.Service)
	}
	return nil
}
