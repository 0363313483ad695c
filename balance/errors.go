// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"errors"

	"github.com/enmesh-go/enmesh"
)

// ErrNoEndpoint says that no endpoint of the destination can take a call now: 503,
// flag UH. It counts against the service, and nothing was sent.
var ErrNoEndpoint = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503,
	Flag: enmesh.FlagNoHealthy, Policy: "balance", Err: errors.New("no endpoint is ready"),
}

// errNobody is ErrNoEndpoint where the set is empty. No attempt is made again: whoever
// comes is not here within a retry's wait, and the caller can be told at once.
var errNobody = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503,
	Flag: enmesh.FlagNoHealthy, Policy: "balance", RetryAfter: -1, Err: ErrNoEndpoint,
}

// ErrNoCluster says that the service, or its subset, is not known: 503, flag NC.
// It counts against the service, and nothing was sent.
var ErrNoCluster = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503,
	Flag: enmesh.FlagNoCluster, Policy: "balance", Err: errors.New("the service or subset is not known"),
}
