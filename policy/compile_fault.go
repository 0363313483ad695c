// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// retryOf compiles retries; nothing said is Istio's default.
func retryOf(c cursor, r *networking.HTTPRetry) retry.Config {
	if r == nil {
		return DefaultRetry()
	}
	if r.GetAttempts() == 0 {
		return retry.Config{MaxAttempts: 1, On: retry.DefaultOn()}
	}
	cfg := retry.Config{MaxAttempts: int(r.GetAttempts()) + 1, On: retry.DefaultOn(), BaseBackoff: r.GetBackoff().AsDuration()}
	if on, err := retry.ParseOn(r.GetRetryOn()); err == nil && on != (retry.On{}) {
		cfg.On = on
	}
	for word := range strings.SplitSeq(r.GetRetryOn(), ",") {
		switch strings.TrimSpace(word) {
		case "retriable-headers", "http3-post-connect-failure":
			c.field("retryOn").note(Ignored, strings.TrimSpace(word)+" never holds: no field names the headers, and enmesh speaks no HTTP/3")
		}
	}
	if ignore := r.GetRetryIgnorePreviousHosts(); ignore != nil && !ignore.GetValue() {
		c.field("retryIgnorePreviousHosts").note(Ignored, "false is not enforced yet: a retry prefers an instance that was not tried")
	}
	return cfg
}

// nearAttempts is how many attempts stay near where retryRemoteLocalities is set: Istio
// configures Envoy's previous_priorities with an update frequency of 2.
const nearAttempts = 2

// remoteAfter is how many attempts stay near; 0: all of them.
func remoteAfter(c cursor, r *networking.HTTPRetry) int {
	if !r.GetRetryRemoteLocalities().GetValue() {
		return 0
	}
	if r.GetAttempts() < nearAttempts {
		c.field("retryRemoteLocalities").note(Warned, "without effect with attempts below 2: as in Istio, the first call and the first retry stay near")
	}
	return nearAttempts
}

// faultOf compiles a fault. A percentage that is not given is 0, as in Istio.
func faultOf(c cursor, f *networking.HTTPFaultInjection) fault.Config {
	var cfg fault.Config
	if delay := f.GetDelay(); delay != nil {
		cfg.Delay = delay.GetFixedDelay().AsDuration()
		cfg.DelayPPM = millionths(c.field("delay"), delay.GetPercentage(), delay.GetPercent()) //nolint:staticcheck // deprecated and still read
	}
	if abort := f.GetAbort(); abort != nil {
		cfg.AbortPPM = millionths(c.field("abort"), abort.GetPercentage(), 0)
		cfg.AbortStatus = int(abort.GetHttpStatus())
		cfg.AbortCode, cfg.HasAbortCode = enmesh.ParseCode(abort.GetGrpcStatus())
	}
	return cfg
}

// millionths is a percentage in parts per million, cut off.
func millionths(c cursor, p *networking.Percent, whole int32) uint32 {
	switch {
	case p != nil:
		return uint32(p.GetValue() * 10_000)
	case whole != 0:
		return uint32(whole) * 10_000
	}
	c.note(Warned, "it befalls no call: percentage is missing, and that is 0")
	return 0
}
