// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
)

// ErrTimeout is found in the error of every limit of this package. So is
// context.DeadlineExceeded.
var ErrTimeout = errors.New("time limit passed")

// expiryOf is the error of one limit: DeadlineExceeded, 504, UT. It is a Failure:
// nobody cancelled, and no answer came.
func expiryOf(limit time.Duration, what string) *enmesh.Error {
	return &enmesh.Error{
		Code:    enmesh.DeadlineExceeded,
		Outcome: enmesh.Failure,
		Status:  504,
		Flag:    enmesh.FlagTimeout,
		Policy:  "timeout",
		Err:     fmt.Errorf("%w: %s took longer than %v: %w", ErrTimeout, what, limit, context.DeadlineExceeded),
	}
}
