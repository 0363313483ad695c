// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import "fmt"

// Check says what is wrong with rules, as [New] would, and fetches nothing: for whoever
// reads them from documents and wants to name the place.
func Check(rules ...Rule) error {
	a := &Authenticator{}
	for i, from := range rules {
		if err := a.add(from); err != nil {
			return fmt.Errorf("jwt: %s: %w", label(i, from), err)
		}
	}
	return a.separate()
}
