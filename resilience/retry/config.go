// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// The defaults of [Config], which are Istio's and Envoy's.
const (
	DefaultMaxAttempts = 3 // the first and two more
	DefaultBaseBackoff = 25 * time.Millisecond
	backoffSpan        = 10 // MaxBackoff in BaseBackoffs, and pushback in MaxBackoffs
)

// maxAttempts bounds MaxAttempts: beyond it a configuration is surely a mistake.
const maxAttempts = 100

// Budget bounds how many more attempts are made than calls, over all calls that
// share it. *resilience.Budget is one; nothing is paid into it here, so put its own
// middleware outside the retry.
type Budget interface {
	// Take asks for one more attempt. It is called before the backoff.
	Take() bool
	// Refund gives back an attempt that was taken and not made.
	Refund()
}

// Config says what is tried again, how often and when. It is comparable if its
// Budget and its Recorder are.
type Config struct {
	// MaxAttempts counts the first one too: Istio's attempts plus one. 0 is 3, 1 never
	// retries; negative and above 100 are refused.
	MaxAttempts int
	// On is what is tried again. The empty set is DefaultOn, taken strictly: nobody
	// listed its codes.
	On On
	// BaseBackoff scales the wait: before the n-th retry it is uniform in
	// [0, (2^n-1)*BaseBackoff), at most MaxBackoff. 0 is 25 ms; negative is refused.
	BaseBackoff time.Duration
	// MaxBackoff bounds the wait. 0 is 10 times BaseBackoff; less than BaseBackoff is
	// refused. The far side's own wish (Retry-After, pushback) may go beyond it,
	// up to 10 times MaxBackoff, and is cut there: Retry-After counts in seconds, so that
	// at MaxBackoff itself, a quarter of one by default, no wish of HTTP's would ever be met.
	MaxBackoff time.Duration
	// Strict takes no code in On as consent: then a call that is not idempotent is sent
	// again only if it provably never reached the application, whatever was
	// answered. Without it a gRPC code that is listed in On, and that the far side
	// itself answered with, is enough. An HTTP status never is.
	Strict bool
	// Budget bounds the retries of all calls together. nil does not.
	Budget Budget
	// Limit bounds how many retries are under way at once. nil does not.
	Limit *Limit
	// Shadow makes no retries: it tells the Recorder of each call that would have been
	// sent a second time.
	Shadow bool
	// Recorder is told of retries, and of those that the Budget or the Limit refuses. nil is nobody.
	Recorder enmesh.Recorder
}

// withDefaults fills in what is zero and refuses what makes no sense.
func (cfg Config) withDefaults() (Config, error) {
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = DefaultMaxAttempts
	}
	if cfg.MaxAttempts < 0 || cfg.MaxAttempts > maxAttempts {
		return cfg, fmt.Errorf("retry: MaxAttempts %d is not within 1 to %d", cfg.MaxAttempts, maxAttempts)
	}
	if cfg.On == (On{}) {
		cfg.On, cfg.Strict = DefaultOn(), true
	}
	if cfg.BaseBackoff == 0 {
		cfg.BaseBackoff = DefaultBaseBackoff
	}
	if cfg.BaseBackoff < 0 || cfg.BaseBackoff > time.Hour {
		return cfg, fmt.Errorf("retry: BaseBackoff %v is not within 0 to 1h", cfg.BaseBackoff)
	}
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = backoffSpan * cfg.BaseBackoff
	}
	if cfg.MaxBackoff < cfg.BaseBackoff || cfg.MaxBackoff > 24*time.Hour {
		return cfg, fmt.Errorf("retry: MaxBackoff %v is not within BaseBackoff (%v) to 24h", cfg.MaxBackoff, cfg.BaseBackoff)
	}
	return cfg, nil
}
