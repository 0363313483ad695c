// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"errors"

	"github.com/enmesh-go/enmesh"
)

// ErrOverloaded is found in every refusal of the package.
var ErrOverloaded = errors.New("overloaded")

// errRefused is every refusal: Unavailable, 503, UO, Neutral, and not to be sent again:
// whoever did would only add to the load. Unavailable, and not ResourceExhausted, since
// it is what gRPC makes of a 503
// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md) and what
// Envoy's overload manager and adaptive concurrency filter answer: the caller has
// exhausted nothing of its own.
var errRefused = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true,
	Status: 503, Flag: enmesh.FlagOverflow, Policy: "shed", RetryAfter: -1, Err: ErrOverloaded,
}
