// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/mesh"
)

// What the caller of a server is told when a limit refuses that is counted elsewhere: over HTTP the
// status, Retry-After and the headers about the limit, over gRPC RESOURCE_EXHAUSTED with
// RetryInfo and pushback, which say the same, and the headers. Nothing is sent again.
func TestRemoteLimit_refusalsOnTheWire(t *testing.T) {
	redis := redistest.Start(t)
	provider := asEnvoys(t, "day, requests_per_unit: 2")
	for _, tt := range []struct {
		name    string
		limit   func(protocol string) string // two calls
		opt     mesh.Option
		most    time.Duration     // until the next may come
		headers map[string]string // name to pattern
		status  int               // over HTTP
	}{
		{
			"redislimit", func(protocol string) string {
				return "sharedBucket: {provider: fleet, name: told-" + protocol + ", rate: 0.001, burst: 2}"
			},
			onRedis(t, redis.Addr), 1000 * time.Second,
			map[string]string{"ratelimit-policy": `"told-\w+";q=2;w=2000`, "ratelimit": `"told-\w+";r=0;t=\d+`}, 429,
		},
		{
			"redislimit, with Envoy's headers and a status", func(protocol string) string {
				return "status: 420, envoyHeaders: true, sharedBucket: {provider: fleet, name: said-" + protocol + ", rate: 0.001, burst: 2}"
			},
			onRedis(t, redis.Addr), 1000 * time.Second,
			map[string]string{"x-ratelimit-limit": `2.*`, "x-ratelimit-remaining": `0`, "x-ratelimit-reset": `\d+`}, 420,
		},
		{
			"rls", func(string) string {
				return "envoyHeaders: true, rateLimitService: {provider: envoy, domain: shop, onFailure: DENY, descriptors: [{entries: [{key: user, header: x-user}]}]}"
			},
			mesh.WithRateLimitService("envoy", provider), 24 * time.Hour,
			map[string]string{"x-ratelimit-limit": `2.*`, "x-ratelimit-remaining": `0`, "x-ratelimit-reset": `\d+`}, 429,
		},
	} {
		for _, protocol := range []string{"http", "grpc"} {
			t.Run(tt.name+" "+protocol, func(t *testing.T) {
				y := newYard(t, protocol, retryTwice, tt.opt)
				y.own(ownDoc("RateLimit", reviewsOnly+"rules: [{"+tt.limit(protocol)+"}]"))
				user := []string{"x-user", protocol}
				for range 2 {
					if code, _ := y.call(t.Context(), user...); code != 200 {
						t.Fatalf("a call within the limit: %d", code)
					}
				}
				var told map[string]string
				if protocol == "http" {
					var code int
					code, told = y.call(t.Context(), user...)
					if code != tt.status {
						t.Errorf("got the status %d, want %d", code, tt.status)
					}
					within(t, told["retry-after"], time.Second, tt.most)
				} else {
					told = y.refused(t, tt.most, user...)
				}
				for name, pattern := range tt.headers {
					if !regexp.MustCompile("^" + pattern + "$").MatchString(told[name]) {
						t.Errorf("%s: %q, want %s; there are %v", name, told[name], pattern, slices.Sorted(maps.Keys(told)))
					}
				}
				if y.hits.Load() != 2 || y.counted(y.caller, "retry", false) != 0 {
					t.Errorf("%d calls reached the handler, and %d were sent again; want 2 and none", y.hits.Load(), y.counted(y.caller, "retry", false))
				}
			})
		}
	}
}

// within wants a whole number of units, above none and up to most.
func within(t *testing.T, text string, unit, most time.Duration) time.Duration {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	d := time.Duration(n) * unit
	if err != nil || d <= 0 || d > most {
		t.Errorf("to wait: %q of %v, want at most %v", text, unit, most)
	}
	return d
}

// refused makes a call over gRPC that is refused, and gives its header and trailer.
func (y *yard) refused(t *testing.T, most time.Duration, header ...string) map[string]string {
	t.Helper()
	var head, tail metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), header...)
	_, err := grpc_health_v1.NewHealthClient(y.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&head), grpc.Trailer(&tail))
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted {
		t.Errorf("got %v, want RESOURCE_EXHAUSTED", err)
	}
	told := map[string]string{}
	for name, values := range metadata.Join(head, tail) {
		told[name] = values[0]
	}
	pushback := within(t, told["grpc-retry-pushback-ms"], time.Millisecond, most)
	var delays []time.Duration
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			delays = append(delays, info.GetRetryDelay().AsDuration())
		}
	}
	if len(delays) != 1 || delays[0] < pushback-time.Millisecond || delays[0] > pushback {
		t.Errorf("RetryInfo says %v, want once what the pushback says, %v", delays, pushback)
	}
	return told
}
