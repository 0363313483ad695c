// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"context"
	"log/slog"
	"math/rand/v2"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

// Config of a Log. The zero Config logs every call.
type Config struct {
	// Sample is the share of calls that are logged, above 0 up to 1; 0 means all,
	// less than 0 none. More than 1 is all.
	Sample float64
	// SampleFailures has failed calls (see telemetry.Failed) sampled like others.
	// Otherwise every one is logged.
	SampleFailures bool
	// Level of a call that did not fail; the default is slog.LevelInfo.
	Level slog.Level
	// FailureLevel is the level of a call that failed; nil is slog.LevelWarn.
	FailureLevel slog.Leveler
	// Rand is where the sample is drawn from, evenly in [0, 1); nil is math/rand/v2.
	// It is called concurrently.
	Rand func() float64
}

// Log writes the records of any number of chains.
type Log struct {
	handler slog.Handler
	cfg     Config
}

// New makes a Log that writes to h.
func New(h slog.Handler, cfg Config) *Log {
	if cfg.Sample == 0 {
		cfg.Sample = 1
	}
	if cfg.FailureLevel == nil {
		cfg.FailureLevel = slog.LevelWarn
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	return &Log{handler: h, cfg: cfg}
}

// Calls is the observer of one chain's calls, for telemetry.Calls.
func (l *Log) Calls(s telemetry.Scope) telemetry.Observer {
	return &calls{log: l, side: s.Side}
}

// calls logs the calls of one chain.
type calls struct {
	log  *Log
	side enmesh.Side
}

// Observe logs a call, if it is to be logged.
func (o *calls) Observe(r enmesh.Result) {
	level, wanted := o.log.wants(telemetry.Failed(r.Err))
	ctx := context.Background() // the call's own is over
	if !wanted || !o.log.handler.Enabled(ctx, level) {
		return
	}
	_ = o.log.handler.Handle(ctx, record(o.side, level, r)) // there is nobody to tell
}

// wants says at which level a call is logged, and whether it is one to log.
func (l *Log) wants(failed bool) (slog.Level, bool) {
	level := l.cfg.Level
	if failed {
		level = l.cfg.FailureLevel.Level()
		if !l.cfg.SampleFailures {
			return level, true
		}
	}
	return level, l.cfg.Sample >= 1 || l.cfg.Sample > 0 && l.cfg.Rand() < l.cfg.Sample
}
