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

// ErrAwaited says that a call is to wait until an endpoint is connected, or has failed to
// be: see [Endpoint.Await]. An adapter that never calls that never meets it. It is as
// ErrNoEndpoint otherwise.
var ErrAwaited = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503,
	Flag: enmesh.FlagNoHealthy, Policy: "balance", Err: errors.New("the endpoint is being connected to"),
}

// ErrNoCluster says that the service, or its subset, is not known: 503, flag NC.
// It counts against the service, and nothing was sent.
var ErrNoCluster = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503,
	Flag: enmesh.FlagNoCluster, Policy: "balance", Err: errors.New("the service or subset is not known"),
}
