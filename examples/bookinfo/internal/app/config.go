// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"io"
	"log/slog"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/services"
)

// drainTime is how long what is in flight may take at the end.
const drainTime = 10 * time.Second

// Config of an App.
type Config struct {
	Policies string         // directory of Istio documents; edits apply while the App runs
	Listen   string         // address of the page in the browser; "" is a free port of 127.0.0.1
	Ratings  int            // instances of ratings; 0 or less is 1
	Flaky    services.Flaky // what the last instance of ratings fails on its own
	Logger   *slog.Logger   // what goes wrong; nil: not told
	Events   *slog.Logger   // what the mesh says about policies; nil: not told
}

// complete fills in the defaults.
func (c Config) complete() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Ratings <= 0 {
		c.Ratings = 1
	}
	silent := slog.New(slog.NewTextHandler(io.Discard, nil))
	if c.Logger == nil {
		c.Logger = silent
	}
	if c.Events == nil {
		c.Events = silent
	}
	return c
}
