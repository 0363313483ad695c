// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// trial is what a rule has in shadow, but for its retries: each in its place in the chain.
// nil: none.
type trial struct{ fault, overall, attempt enmesh.Middleware }

func (p *policies) trial(r *policy.Rule) (trial, error) {
	t := r.Trial
	if t == nil {
		return trial{}, nil
	}
	shadow := timeout.Config{Shadow: true, Recorder: p.side.recorder}
	var out trial
	if t.Fault != (fault.Config{}) {
		cfg := t.Fault
		cfg.Shadow, cfg.Recorder = true, p.side.recorder
		faults, err := fault.New(cfg)
		if err != nil {
			return out, fmt.Errorf("fault of %s: %w", r.Origin, err)
		}
		out.fault = faults
	}
	if t.Timeout > 0 {
		shadow.Limit = t.Timeout
		out.overall = shadow.Overall()
	}
	if t.PerTry > 0 {
		shadow.Limit = t.PerTry
		out.attempt = shadow.Attempt()
	}
	return out, nil
}

// retryTrial counts what a rule's retries in shadow would do after those that are in force;
// nil for none.
func (w *own) retryTrial(r *policy.Rule, b *resilience.Budget) (enmesh.Middleware, error) {
	if r.Trial == nil || r.Trial.Retry.MaxAttempts == 1 {
		return nil, nil
	}
	cfg := r.Trial.Retry
	cfg.Budget, cfg.Recorder, cfg.Shadow = b, w.recorder, true
	cfg.Strict = cfg.Strict || w.policies.mesh.cfg.strict
	m, err := retry.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("retries of %s: %w", r.Origin, err)
	}
	return m, nil
}
