// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// Trial is what a rule says of timeouts, retries and faults and does not do: it is counted
// as if it did. The rule itself then has none of it, and Istio's default retries.
type Trial struct {
	Timeout time.Duration // 0: none
	PerTry  time.Duration // 0: none
	Retry   retry.Config  // MaxAttempts 1: never
	Fault   fault.Config  // the zero value: none
}

// onTrial takes what a rule says out of it.
func (r *Rule) onTrial(said *networking.HTTPRetry) {
	r.Trial = &Trial{r.Timeout, r.PerTry, r.Retry, r.Fault}
	if said == nil {
		r.Trial.Retry = retry.Config{MaxAttempts: 1}
	}
	strict := r.Retry.Strict
	r.Timeout, r.PerTry, r.Fault, r.RemoteAfter = 0, 0, fault.Config{}, 0
	r.Retry = DefaultRetry()
	r.Retry.Strict = strict
}
