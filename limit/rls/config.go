// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// DefaultTimeout is Envoy's.
const DefaultTimeout = 20 * time.Millisecond

// maxTimeout bounds [Config.Timeout].
const maxTimeout = 10 * time.Second

// Config says how the service is asked, as Envoy's rate limit filter does. It is
// comparable.
type Config struct {
	// Domain is the part of the service's configuration that holds the limits. It must be
	// set.
	Domain string
	// Timeout is how long a call waits for the service at most. 0 is 20 ms; negative and
	// above 10 s is refused.
	Timeout time.Duration
	// Deny refuses calls while the service does not answer, with StatusOnError. The default,
	// Envoy's failure_mode_deny, lets them through.
	Deny bool
	// Hits is what a call counts for. 0 is 1.
	Hits uint32
	// Status is the HTTP status of what is limited. 0 is 429; what is not 400 to 599 is
	// refused.
	Status int
	// StatusOnError is the HTTP status of what is refused by Deny. 0 is 500; what is not 400
	// to 599 is refused.
	StatusOnError int
	// Headers adds X-RateLimit-Limit, -Remaining and -Reset to HTTP answers, of the limit
	// that is nearest (draft-polli-ratelimit-headers-03, as Envoy has it).
	Headers bool
	// Shadow: nothing is refused, no call waits for the service, and no header is written, in
	// the request or the answer. The service is asked beside, for 256 calls at once; more are
	// skipped.
	Shadow bool
	// Recorder is told of every call that is decided without the service's word, and in shadow
	// of those that would have been refused, by the name "limit", of a copy of the call that
	// says where it goes. It may be nil.
	Recorder enmesh.Recorder
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Domain == "" {
		return cfg, errors.New("rls: Domain is not set")
	}
	if cfg.Timeout < 0 || cfg.Timeout > maxTimeout {
		return cfg, fmt.Errorf("rls: Timeout %v is not within 0 to %v", cfg.Timeout, maxTimeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Status == 0 {
		cfg.Status = 429
	}
	if cfg.StatusOnError == 0 {
		cfg.StatusOnError = 500
	}
	if cfg.Status < 400 || cfg.Status > 599 {
		return cfg, fmt.Errorf("rls: Status %d is not within 400 to 599", cfg.Status)
	}
	if cfg.StatusOnError < 400 || cfg.StatusOnError > 599 {
		return cfg, fmt.Errorf("rls: StatusOnError %d is not within 400 to 599", cfg.StatusOnError)
	}
	return cfg, nil
}
