// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle

import (
	"context"

	"github.com/enmesh-go/enmesh"
)

// Middleware is the throttle for a route's chain. Other than enmesh.Guard(t), it counts
// a call as soon as its answer has begun: of a
// stream that runs for hours its end comes too late.
func (t *Throttle) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			token, err := t.Admit(ctx, c)
			if err != nil {
				return err
			}
			s := settlement{t, token, enmesh.ErrPanic} // what stays when next panics
			defer s.settle()
			s.err = next(ctx, c)
			return s.err
		}
	}
}

// settlement tells the throttle how next went.
type settlement struct {
	throttle *Throttle
	token    enmesh.Token
	err      error
}

func (s *settlement) settle() { s.throttle.settle(s.token, s.err) }
