// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/policy"
)

// trafficOf is what a traffic policy, in flow style, is compiled to.
func trafficOf(t *testing.T, text string) (policy.Traffic, *policy.Snapshot) {
	t.Helper()
	s := parse(t, policy.Loader{}, dr("name: a", "a", "trafficPolicy: {"+text+"}"))
	return s.Destination("a.default.svc.cluster.local").Traffic("", 0), s
}

// Each field of an outlierDetection block is one of a detector's, and what it leaves out is
// Istio's default.
func TestDestination_Traffic_outlierDetection(t *testing.T) {
	with := func(change func(cfg *outlier.Config)) outlier.Config {
		cfg := outlier.Config{Consecutive5xx: 5, Interval: 10 * time.Second, BaseEjection: 30 * time.Second, MaxEjection: 300 * time.Second, MaxEjectionPercent: 10}
		change(&cfg)
		return cfg
	}
	codes := func(statuses ...int) outlier.Codes {
		c, err := outlier.CodesOf(statuses...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for block, want := range map[string]outlier.Config{
		"": with(func(*outlier.Config) {}),
		"consecutive5xxErrors: 0, consecutiveGatewayErrors: 3": with(func(cfg *outlier.Config) { cfg.Consecutive5xx, cfg.ConsecutiveGateway = 0, 3 }),
		"consecutiveGatewayErrors: 0":                          with(func(*outlier.Config) {}),
		"splitExternalLocalOriginErrors: false":                with(func(*outlier.Config) {}),
		"splitExternalLocalOriginErrors: true":                 with(func(cfg *outlier.Config) { cfg.SplitLocalOrigin, cfg.ConsecutiveLocalOrigin = true, 5 }),
		"splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2": with(func(cfg *outlier.Config) {
			cfg.SplitLocalOrigin, cfg.ConsecutiveLocalOrigin = true, 2
		}),
		"splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 0": with(func(cfg *outlier.Config) { cfg.SplitLocalOrigin = true }),
		"consecutiveLocalOriginFailures: 0":                                       with(func(*outlier.Config) {}),
		"outlierDetectionHttpErrorCodes: [429, 503]":                              with(func(cfg *outlier.Config) { cfg.Codes = codes(429, 503) }),
		"outlierDetectionHttpErrorCodes: [200, 302, 400]":                         with(func(cfg *outlier.Config) { cfg.Codes = codes(400) }),
	} {
		if got, _ := trafficOf(t, "outlierDetection: {"+block+"}"); !got.DetectOutliers || got.Outlier != want {
			t.Errorf("%s: got %t\n%+v, want\n%+v", block, got.DetectOutliers, got.Outlier, want)
		}
	}
}

// A slow start is as either spelling says it. What is written is never the default.
func TestDestination_Traffic_warmup(t *testing.T) {
	const at = "a spec.trafficPolicy.loadBalancer.warmup.minimumPercent: approximated: shares are whole percents, and 1 at least: it is "
	for _, tt := range []struct {
		block, notes string
		want         balance.SlowStartConfig
	}{
		{"warmupDurationSecs: 30s", "", balance.SlowStartConfig{Window: 30 * time.Second}},
		{"warmup: {duration: 10s}", "", balance.SlowStartConfig{Window: 10 * time.Second}},
		{"warmupDurationSecs: 30s, warmup: {duration: 10s}", "", balance.SlowStartConfig{Window: 10 * time.Second}},
		{"warmup: {duration: 10s, aggression: 2.5, minimumPercent: 20}", "", balance.SlowStartConfig{Window: 10 * time.Second, Aggression: 2.5, MinPercent: 20}},
		{"warmup: {duration: 10s, minimumPercent: 0}", at + "1\n", balance.SlowStartConfig{Window: 10 * time.Second, MinPercent: 1}},
		{"warmup: {duration: 10s, minimumPercent: 12.5}", at + "13\n", balance.SlowStartConfig{Window: 10 * time.Second, MinPercent: 13}},
		{"warmup: {duration: 10s, minimumPercent: 100}", "", balance.SlowStartConfig{Window: 10 * time.Second, MinPercent: 100}},
	} {
		got, s := trafficOf(t, "loadBalancer: {"+tt.block+"}")
		if got.SlowStart != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.block, got.SlowStart, tt.want)
		}
		wantNotes(t, s, tt.notes)
	}
}

// A slow start beside a consistent hash is named, for it has no effect.
func TestParse_warmupOfAHash(t *testing.T) {
	const why = ": ignored: a consistent hash has no slow start: it would send the calls that belong to a new instance elsewhere\n"
	for block, want := range map[string]string{
		"consistentHash: {httpHeaderName: x}, warmup: {duration: 10s}":                                 "a spec.trafficPolicy.loadBalancer.warmup" + why,
		"consistentHash: {httpHeaderName: x}, warmupDurationSecs: 10s":                                 "a spec.trafficPolicy.loadBalancer.warmupDurationSecs" + why,
		"consistentHash: {httpQueryParameterName: x, maglev: {tableSize: 7}}, warmup: {duration: 10s}": "a spec.trafficPolicy.loadBalancer.warmup" + why,
		"consistentHash: {useSourceIp: false}, warmup: {duration: 10s}":                                "", // no hash
		"consistentHash: {httpHeaderName: x}":                                                          "",
		"simple: RANDOM, warmup: {duration: 10s}":                                                      "",
	} {
		_, s := trafficOf(t, "loadBalancer: {"+block+"}")
		wantNotes(t, s, want)
	}
}

// A consistent hash has the table, of the size, that its block says, by whichever spelling.
func TestDestination_Traffic_tables(t *testing.T) {
	for block, want := range map[string]policy.Hash{
		"":                                    {},
		", minimumRingSize: 2000":             {Ring: balance.RingHashConfig{MinSize: 2000}},
		", ringHash: {}":                      {},
		", ringHash: {minimumRingSize: 3000}": {Ring: balance.RingHashConfig{MinSize: 3000}},
		", maglev: {tableSize: 251}":          {Maglev: true, Table: balance.MaglevConfig{TableSize: 251}},
	} {
		want.By, want.Name = policy.HashByHeader, "x"
		if got, _ := trafficOf(t, "loadBalancer: {consistentHash: {httpHeaderName: x"+block+"}}"); got.Hash != want {
			t.Errorf("%q: got %+v, want %+v", block, got.Hash, want)
		}
	}
}

// Codes below 400 beside others are named: nothing counts them.
func TestParse_codesThatAreNoErrors(t *testing.T) {
	_, s := trafficOf(t, "outlierDetection: {outlierDetectionHttpErrorCodes: [200, 404]}")
	wantNotes(t, s, "a spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[0]: ignored: an answer below 400 is a success: it is not counted\n")
}
