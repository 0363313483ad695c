// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"context"

	"github.com/enmesh-go/enmesh"
)

// Middleware is the breaker for a route's chain. Other than enmesh.Guard(b), which
// hears how a call ends, it counts a call as soon as its answer has begun: streams
// that run for hours would say too late that the far side is well. What breaks after
// that is not counted.
func (b *Breaker) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			t, err := b.Admit(ctx, c)
			if err != nil {
				return err
			}
			s := settlement{b, c, t, enmesh.Failure} // what stays when next panics
			defer s.settle()
			err = next(ctx, c)
			s.outcome = enmesh.OutcomeOf(err)
			return err
		}
	}
}

// settlement tells the breaker how next went.
type settlement struct {
	breaker *Breaker
	call    *enmesh.Call
	token   enmesh.Token
	outcome enmesh.Outcome
}

func (s *settlement) settle() { s.breaker.settle(s.token, s.outcome, s.call.Clock, s.call.Clock) }
