// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"slices"
	"strings"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh/resilience/retry"
)

// retryCodes are the conditions that gRPC's clients know (gRFC A44); all others they ignore.
var retryCodes = []string{"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}

// maxBackoff is the longest wait, in times of the shortest, as in Envoy and Istio.
const maxBackoff = 10

// retryOf is the retries of a rule; nil: there are none that gRPC could make. Of those that
// are strict it could make none: it does not know which calls are idempotent.
func retryOf(cfg retry.Config) *routepb.RetryPolicy {
	var on []string
	for word := range strings.SplitSeq(cfg.On.String(), ",") {
		if slices.Contains(retryCodes, word) {
			on = append(on, word)
		}
	}
	if cfg.MaxAttempts < 2 || len(on) == 0 || cfg.Strict {
		return nil
	}
	base := cmp.Or(cfg.BaseBackoff, retry.DefaultBaseBackoff)
	return &routepb.RetryPolicy{
		RetryOn:    strings.Join(on, ","),
		NumRetries: wrapperspb.UInt32(uint32(cfg.MaxAttempts - 1)),
		RetryBackOff: &routepb.RetryPolicy_RetryBackOff{
			BaseInterval: durationpb.New(base), MaxInterval: durationpb.New(maxBackoff * base),
		},
	}
}
