// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// quiet leaves out what go-redis says of each connection that fails: here they fail by
// the hundred.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// A go-redis client whose server was gone has a goroutine that looks once a second whether
// it is back, and only then sees that the client was closed.
func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}
