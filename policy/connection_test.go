// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/policy"
)

// Each field of a connectionPool block is one of a connection's, and what it leaves out is
// enmesh's default.
func TestDestination_Traffic_connection(t *testing.T) {
	type config = balance.ConnectionConfig
	for pool, want := range map[string]config{
		"tcp: {maxConnections: 3}":                                            {MaxConnections: 3},
		"tcp: {connectTimeout: 250ms}":                                        {ConnectTimeout: 250 * time.Millisecond},
		"tcp: {maxConnectionDuration: 10m}":                                   {MaxAge: 10 * time.Minute},
		"tcp: {idleTimeout: 30s}":                                             {IdleTimeout: 30 * time.Second},
		"tcp: {idleTimeout: 0s}":                                              {IdleTimeout: -1}, // for ever
		"http: {idleTimeout: 20s}":                                            {IdleTimeout: 20 * time.Second},
		"tcp: {idleTimeout: 30s}, http: {idleTimeout: 20s}":                   {IdleTimeout: 20 * time.Second},
		"tcp: {idleTimeout: 0s}, http: {idleTimeout: 20s}":                    {IdleTimeout: 20 * time.Second},
		"tcp: {tcpKeepalive: {time: 7s}}":                                     {ProbeIdle: 7 * time.Second},
		"tcp: {tcpKeepalive: {interval: 3s, probes: 9}}":                      {ProbeInterval: 3 * time.Second, Probes: 9},
		"http: {http1MaxPendingRequests: 4}":                                  {MaxPending: 4},
		"http: {maxRequestsPerConnection: 5}":                                 {MaxRequestsPerConnection: 5},
		"http: {maxConcurrentStreams: 6}":                                     {MaxStreams: 6},
		"http: {h2UpgradePolicy: UPGRADE}":                                    {Protocol: balance.HTTP2},
		"http: {h2UpgradePolicy: DO_NOT_UPGRADE}":                             {Protocol: balance.HTTP1},
		"http: {h2UpgradePolicy: DEFAULT, http1MaxPendingRequests: 1}":        {MaxPending: 1},
		"http: {useClientProtocol: true}":                                     {},
		"http: {http2KeepAlive: {interval: 8s, timeout: 2s}}":                 {PingInterval: 8 * time.Second, PingTimeout: 2 * time.Second},
		"http: {http2MaxRequests: 7}":                                         {}, // of all instances: Traffic.MaxRequests
		"tcp: {maxConnections: 2, connectTimeout: 1s}, http: {maxRetries: 1}": {MaxConnections: 2, ConnectTimeout: time.Second},
	} {
		s := parse(t, policy.Loader{}, dr("name: a", "a", "trafficPolicy: {connectionPool: {"+pool+"}}"))
		got := s.Destination("a.default.svc.cluster.local").Traffic("", 0)
		if got.Connection != want {
			t.Errorf("%s: got\n%+v, want\n%+v", pool, got.Connection, want)
		}
		if err := got.Connection.Validate(); err != nil {
			t.Errorf("%s: %v", pool, err)
		}
	}
}

func TestParse_connectionMistakes(t *testing.T) {
	for pool, want := range map[string]string{
		"http: {idleTimeout: 0s}":                                   "idleTimeout: 0s is too short",
		"tcp: {idleTimeout: 100us}":                                 "idleTimeout: 100µs is too short",
		"tcp: {maxConnectionDuration: 0s}":                          "maxConnectionDuration: 0s is too short",
		"tcp: {tcpKeepalive: {time: 0s}}":                           "tcpKeepalive.time: 0s is too short",
		"http: {http2KeepAlive: {interval: -1s}}":                   "http2KeepAlive.interval: -1s is less than 0",
		"http: {http2KeepAlive: {timeout: -1s}}":                    "http2KeepAlive.timeout: -1s is less than 0",
		"http: {maxConcurrentStreams: -1}":                          "maxConcurrentStreams: -1",
		"http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}": "useClientProtocol: the client's protocol cannot be kept",
	} {
		_, err := policy.Loader{}.Parse([]policy.File{{Name: "a.yaml", Data: []byte(dr("name: a", "a", "trafficPolicy: {connectionPool: {"+pool+"}}"))}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pool, err, want)
		}
	}
}

// What gRPC's one connection to each instance has no place for says so where it is written.
func TestParse_connectionsOverHTTPOnly(t *testing.T) {
	const fields = "tcp: {maxConnections: 3, idleTimeout: 30s}, http: {http1MaxPendingRequests: 4, maxRequestsPerConnection: 5, maxConcurrentStreams: 6, h2UpgradePolicy: UPGRADE, idleTimeout: 20s}"
	_, s := trafficOf(t, "connectionPool: {"+fields+"}")
	const pool = "spec.trafficPolicy.connectionPool."
	want := map[string]policy.Verdict{
		pool + "tcp.maxConnections": policy.Approximated, pool + "http.http1MaxPendingRequests": policy.Approximated,
		pool + "tcp.idleTimeout": policy.Enforced, pool + "http.idleTimeout": policy.Enforced, pool + "http.maxRequestsPerConnection": policy.Enforced,
		pool + "http.maxConcurrentStreams": policy.Enforced, pool + "http.h2UpgradePolicy": policy.Enforced,
	}
	for _, f := range s.Findings {
		verdict, ok := want[f.Field]
		if ok && (f.Verdict != verdict || !strings.Contains(f.Message, "over HTTP only: gRPC")) {
			t.Errorf("got %v, want it %v, and over HTTP only", f, verdict)
		}
		delete(want, f.Field)
	}
	for field := range want {
		t.Errorf("got no finding on %s", field)
	}
}
