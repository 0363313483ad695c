// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import "fmt"

// The statuses that can be errors: inside a chain, what is below 400 is a success.
const (
	firstCode = 400
	lastCode  = 599
)

// Codes is a set of HTTP statuses, comparable with ==; the zero Codes is empty.
type Codes [(lastCode-firstCode)/64 + 1]uint64

// CodesOf is the set of some statuses. One outside 400 to 599 is refused: an answer
// below 400 is a success to everything in a chain, so nothing could count it.
func CodesOf(statuses ...int) (Codes, error) {
	var c Codes
	for _, s := range statuses {
		if s < firstCode || s > lastCode {
			return Codes{}, fmt.Errorf("outlier: status %d cannot count as an error: only %d to %d can", s, firstCode, lastCode)
		}
		c[(s-firstCode)/64] |= 1 << ((s - firstCode) % 64)
	}
	return c, nil
}

// Has reports whether a status is in the set.
func (c *Codes) Has(status int) bool {
	if status < firstCode || status > lastCode {
		return false
	}
	return c[(status-firstCode)/64]>>((status-firstCode)%64)&1 != 0
}

// Empty reports whether the set has no status.
func (c *Codes) Empty() bool { return *c == Codes{} }
