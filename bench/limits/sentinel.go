// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync"
	"sync/atomic"

	sentinel "github.com/alibaba/sentinel-golang/api"
	"github.com/alibaba/sentinel-golang/core/circuitbreaker"
	settings "github.com/alibaba/sentinel-golang/core/config"
	"github.com/alibaba/sentinel-golang/core/flow"
	"github.com/alibaba/sentinel-golang/core/isolation"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stat"
)

// quiet starts sentinel without files, once, and has nobody write a log.
var quiet = sync.OnceValue(func() error {
	logx.Disable()
	load.DisableLog()
	stat.DisableLog()
	cfg := settings.NewDefaultConfig()
	cfg.Sentinel.App.Name = "limits"
	cfg.Sentinel.Log.Logger = silent{}
	cfg.Sentinel.Log.Metric.FlushIntervalSec = 0
	return sentinel.InitWithConfig(cfg)
})

// silent is a log that nobody reads.
type silent struct{}

func (silent) Debug(string, ...any)        {}
func (silent) DebugEnabled() bool          { return false }
func (silent) Info(string, ...any)         {}
func (silent) InfoEnabled() bool           { return false }
func (silent) Warn(string, ...any)         {}
func (silent) WarnEnabled() bool           { return false }
func (silent) Error(error, string, ...any) {}
func (silent) ErrorEnabled() bool          { return false }

var resources atomic.Int64

// resource is a name that no rule is for yet.
func resource() string { return fmt.Sprintf("resource-%d", resources.Add(1)) }

// entered is an entry and its exit.
func entered(name string) *subject {
	return ask(func() bool {
		e, block := sentinel.Entry(name)
		if block != nil {
			return false
		}
		e.Exit()
		return true
	})
}

func sentinelBreaker(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		name := resource()
		_, err := circuitbreaker.LoadRulesOfResource(name, []*circuitbreaker.Rule{{
			Resource: name, Strategy: circuitbreaker.ErrorRatio, Threshold: 0.5, MinRequestAmount: 20,
			StatIntervalMs: 10_000, StatSlidingWindowBucketCount: 10, RetryTimeoutMs: 3_600_000,
		}})
		for range 100 {
			if e, block := sentinel.Entry(name); block == nil {
				if refuse {
					sentinel.TraceError(e, overloaded)
				}
				e.Exit()
			}
		}
		return entered(name), err
	}
}

func sentinelFlow(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		name := resource()
		rule := &flow.Rule{Resource: name, TokenCalculateStrategy: flow.Direct, ControlBehavior: flow.Reject, Threshold: many, StatIntervalInMs: 1000}
		if refuse {
			rule.Threshold = 0
		}
		_, err := flow.LoadRulesOfResource(name, []*flow.Rule{rule})
		return entered(name), err
	}
}

func sentinelIsolation(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		name := resource()
		_, err := isolation.LoadRulesOfResource(name, []*isolation.Rule{{Resource: name, MetricType: isolation.Concurrency, Threshold: 1000}})
		for refuse {
			if _, block := sentinel.Entry(name); block != nil {
				break
			}
		}
		return entered(name), err
	}
}
