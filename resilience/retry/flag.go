// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import "github.com/enmesh-go/enmesh"

// exhaustedBy holds, by the flag of the last attempt, the flags of a call whose
// retries are used up, so that none is put together while calls fail.
var exhaustedBy = exhaustedFlags(
	enmesh.FlagOverflow, enmesh.FlagTimeout, enmesh.FlagRateLimited,
	enmesh.FlagNoRoute, enmesh.FlagNoCluster, enmesh.FlagFaultInjected, enmesh.FlagDelayInjected,
	enmesh.FlagConnectFailure, enmesh.FlagConnectionEnded, enmesh.FlagCallerGone,
)

func exhaustedFlags(causes ...enmesh.Flag) map[enmesh.Flag]enmesh.Flag {
	m := map[enmesh.Flag]enmesh.Flag{"": enmesh.FlagRetriesExhausted}
	for _, cause := range causes {
		m[cause] = joined(cause)
	}
	return m
}

// joined is the cause first, as Envoy orders them.
func joined(cause enmesh.Flag) enmesh.Flag { return cause + "," + enmesh.FlagRetriesExhausted }

// withExhausted is cause and URX, once.
func withExhausted(cause enmesh.Flag) enmesh.Flag {
	if flag, ok := exhaustedBy[cause]; ok {
		return flag
	}
	if cause.Has(enmesh.FlagRetriesExhausted) { // a retry inside this one
		return cause
	}
	return joined(cause) // a flag that is not the core's
}
