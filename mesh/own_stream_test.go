// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// watch opens a stream that lasts as long as ctx, and says how it began.
func (y *yard) watch(ctx context.Context) codes.Code {
	y.t.Helper()
	s, err := grpc_health_v1.NewHealthClient(y.conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		_, err = s.Recv()
	}
	return status.Code(err)
}

// A stream is one call for a limit, on either side.
func TestOwn_rateLimitOfStreams(t *testing.T) {
	for side, to := range map[string]string{"server": reviewsOnly, "client": "host: reviews, "} {
		t.Run(side, func(t *testing.T) {
			y := newYard(t, "grpc", noRetries)
			y.own(ownDoc("RateLimit", to+"rules: [{tokenBucket: {rate: 0.001, burst: 2}}]"))
			for n, want := range []codes.Code{codes.OK, codes.OK, codes.ResourceExhausted} {
				if got := y.watch(t.Context()); got != want {
					t.Errorf("stream %d: got %v, want %v", n, got, want)
				}
			}
			if got := y.hits.Load(); got != 2 {
				t.Errorf("%d streams arrived, want 2", got)
			}
		})
	}
}

// A stream keeps its place until it ends, not until it is answered.
func TestOwn_concurrencyLimitOfStreams(t *testing.T) {
	for side, tt := range map[string]struct {
		to      string
		refusal codes.Code
	}{
		"server": {reviewsOnly, codes.ResourceExhausted},
		"client": {"host: reviews, ", codes.Unavailable},
	} {
		t.Run(side, func(t *testing.T) {
			y := newYard(t, "grpc", noRetries)
			y.own(ownDoc("ConcurrencyLimit", tt.to+"max: 1"))
			first, end := context.WithCancel(t.Context())
			defer end()
			if got := y.watch(first); got != codes.OK {
				t.Fatalf("the first: got %v", got)
			}
			for range 3 {
				if got := y.watch(t.Context()); got != tt.refusal {
					t.Errorf("beside it: got %v, want %v", got, tt.refusal)
				}
			}
			end()
			until(t, "there is room again", func() bool { return y.watch(t.Context()) == codes.OK })
			if got := y.watch(t.Context()); got != tt.refusal {
				t.Errorf("beside the next: got %v, want %v", got, tt.refusal)
			}
		})
	}
}

// Streams of answers that fail before they begin trip a breaker, and one that is open refuses
// them. The route resends, as by default: on another they are handed out before that is known.
func TestOwn_circuitBreakerOfStreams(t *testing.T) {
	y := newYard(t, "grpc", "")
	y.own(ownDoc("CircuitBreaker", "host: reviews, consecutiveFailures: 3, openFor: 1h"))
	if got := y.watch(t.Context()); got != codes.OK {
		t.Fatalf("the first: got %v", got)
	}
	y.answers(always(500))
	for n, want := range []codes.Code{codes.Internal, codes.Internal, codes.Internal, codes.Unavailable, codes.Unavailable} {
		if got := y.watch(t.Context()); got != want {
			t.Errorf("stream %d: got %v, want %v", n, got, want)
		}
	}
	if got := y.hits.Load(); got != 4 {
		t.Errorf("%d streams arrived, want 4", got)
	}
}
