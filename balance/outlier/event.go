// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Reason is why an endpoint was ejected.
type Reason uint8

// The reasons. Those that end in Local are for what failed on the way to the endpoint,
// where that is told apart ([Config], SplitLocalOrigin).
const (
	NoReason            Reason = iota // it never was
	Consecutive5xx                    // errors in a row
	ConsecutiveGateway                // gateway errors in a row
	LocalOrigin                       // failures of local origin in a row
	LowSuccessRate                    // fewer successes than its peers
	LowSuccessRateLocal               // the same, of the way there
	FailureShare                      // too large a part of failures
	FailureShareLocal                 // the same, of the way there
)

var reasons = [...]string{
	NoReason: "none", Consecutive5xx: "consecutive_5xx", ConsecutiveGateway: "consecutive_gateway_failure",
	LocalOrigin: "consecutive_local_origin_failure", LowSuccessRate: "success_rate",
	LowSuccessRateLocal: "local_origin_success_rate", FailureShare: "failure_percentage",
	FailureShareLocal: "local_origin_failure_percentage",
}

// String is the reason as Envoy's log of outlier events names it, in lower case; "none"
// for NoReason.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return "reason(?)"
}

// Kind is what an [Event] tells.
type Kind uint8

// The kinds.
const (
	Ejected  Kind = iota // an endpoint was ejected
	Returned             // its ejection is over
)

// String is "ejected" or "returned".
func (k Kind) String() string {
	if k == Ejected {
		return "ejected"
	}
	return "returned"
}

// Event tells of an ejection or a return.
type Event struct {
	Kind     Kind
	Endpoint *balance.Endpoint
	Why      Reason         // of the ejection, or of the one that ended
	At       enmesh.Instant // when it came about
	Until    enmesh.Instant // when the ejection is to end; 0 for a return
}
