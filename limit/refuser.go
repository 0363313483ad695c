// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"errors"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Refuser says no for a limit that is counted elsewhere, as the limits of this package
// do: with their errors and headers. It is safe for concurrent use.
type Refuser struct{ voice }

// NewRefuser makes a Refuser of a limit that gives so many units in window, in the name of
// the policy that counts. Of the terms it takes how a call is refused; Cost, CostBy and
// Always, which are for who counts, are refused, and so is what a limit of this package
// refuses.
func NewRefuser(policy string, terms Terms, units int, window time.Duration) (*Refuser, error) {
	if terms.Cost > 1 || terms.CostBy != nil {
		return nil, errors.New("limit: a limit that is counted elsewhere takes one unit for a call: leave Cost and CostBy out")
	}
	if terms.Headers == Always {
		return nil, errors.New("limit: what is left of a limit that is counted elsewhere is not known: Headers is OnRefusal or Never")
	}
	terms, err := terms.withDefaults(max(1, units))
	if err != nil {
		return nil, err
	}
	v := newVoice(terms, quota{units, window})
	v.refusals = newRefusals(policy, terms.Status)
	return &Refuser{v}, nil
}

// Refuse is the refusal of a call that would pass after wait; negative is never. It writes
// the headers. A wait that was told before costs no allocation but for theirs.
func (r *Refuser) Refuse(c *enmesh.Call, wait time.Duration) *enmesh.Error {
	return r.answer(c, verdict{wait: wait})
}
