// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Million is a share of one in the parts per million of [Config]: always.
const Million = 1_000_000

// Config is what happens to which share of the calls. Delay and abort are drawn
// independently; a call that meets both waits first. The zero Config does nothing.
// It is comparable.
type Config struct {
	// Delay is how long a delayed call waits. Negative is refused.
	Delay time.Duration
	// DelayPPM is the share of calls that wait, in parts per million; above Million is
	// refused. 0 delays none, as in Istio, where a percentage not given is 0.
	DelayPPM uint32
	// AbortStatus is the HTTP status that an aborted call is answered with, 200 to 599.
	// 0: AbortCode decides. Below 400 the abort is a success with an empty answer.
	AbortStatus int
	// AbortCode is the code that an aborted call is answered with, if HasAbortCode is
	// set and AbortStatus is 0. OK is refused.
	AbortCode    enmesh.Code
	HasAbortCode bool
	// AbortPPM is the share of calls that are aborted, in parts per million. 0 is none.
	AbortPPM uint32
	// Header is the name of a header without which a call meets no fault. "" is none.
	Header string
	// HeaderValue is what that header has to say. "" is anything.
	HeaderValue string
	// FromHeaders lets the calls themselves ask for faults, by Envoy's headers:
	// x-envoy-fault-delay-request (milliseconds), x-envoy-fault-abort-request (an HTTP
	// status from 200 to 599) and x-envoy-fault-abort-grpc-request (a code's number); each
	// goes before what is configured. x-envoy-fault-delay-request-percentage and
	// x-envoy-fault-abort-request-percentage lower the share, in whole percent; nothing
	// raises it above DelayPPM and AbortPPM. No header delays longer than MaxDelay. False,
	// the default, ignores them: whoever can set a header could stop the service.
	FromHeaders bool
	// MaxDelay bounds the delay that a header asks for. 0 is Delay, or 1 s when Delay is
	// 0; negative is refused.
	MaxDelay time.Duration
	// MaxActive is how many faults there may be at once; calls beyond go on unharmed. 0 is
	// no limit; negative is refused.
	MaxActive int
	// Shadow does nothing, and tells Recorder what it would have done.
	Shadow bool
	// Recorder counts what is done in shadow. nil: nobody does.
	Recorder enmesh.Recorder
}

// defaultMaxDelay bounds delays by header when nothing else does.
const defaultMaxDelay = time.Second

func (cfg Config) validate() error {
	switch {
	case cfg.Delay < 0:
		return fmt.Errorf("fault: Delay %v is negative", cfg.Delay)
	case cfg.DelayPPM > Million:
		return fmt.Errorf("fault: DelayPPM %d is more than %d", cfg.DelayPPM, Million)
	case cfg.AbortPPM > Million:
		return fmt.Errorf("fault: AbortPPM %d is more than %d", cfg.AbortPPM, Million)
	case cfg.AbortStatus != 0 && cfg.HasAbortCode:
		return fmt.Errorf("fault: AbortStatus %d and AbortCode %v are both set", cfg.AbortStatus, cfg.AbortCode)
	case cfg.AbortStatus != 0 && (cfg.AbortStatus < 200 || cfg.AbortStatus > 599):
		return fmt.Errorf("fault: AbortStatus %d is not within 200 to 599", cfg.AbortStatus)
	case cfg.HasAbortCode && (cfg.AbortCode == enmesh.OK || cfg.AbortCode > enmesh.Unauthenticated):
		return fmt.Errorf("fault: AbortCode %v is no error", cfg.AbortCode)
	case cfg.Header == "" && cfg.HeaderValue != "":
		return fmt.Errorf("fault: HeaderValue %q is set without Header", cfg.HeaderValue)
	case cfg.MaxDelay < 0:
		return fmt.Errorf("fault: MaxDelay %v is negative", cfg.MaxDelay)
	case cfg.MaxActive < 0:
		return fmt.Errorf("fault: MaxActive %d is negative", cfg.MaxActive)
	case cfg.AbortPPM > 0 && cfg.AbortStatus == 0 && !cfg.HasAbortCode && !cfg.FromHeaders:
		return fmt.Errorf("fault: AbortPPM %d without AbortStatus or AbortCode", cfg.AbortPPM)
	}
	return nil
}

// idle: nothing would ever happen.
func (cfg Config) idle() bool {
	return (cfg.DelayPPM == 0 || cfg.Delay == 0 && !cfg.FromHeaders) && cfg.AbortPPM == 0
}

// longest is how long a header may delay a call.
func (cfg Config) longest() time.Duration {
	switch {
	case cfg.MaxDelay > 0:
		return cfg.MaxDelay
	case cfg.Delay > 0:
		return cfg.Delay
	}
	return defaultMaxDelay
}
