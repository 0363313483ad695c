// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/mesh"
)

// always answers with one status.
func always(code int) answers { return func(context.Context, int64) int { return code } }

// arrived makes n calls and gives how many of them, or of what was made of them, reached
// the server.
func (y *yard) arrived(n int) int {
	y.t.Helper()
	before := y.hits.Load()
	y.calls(n)
	return int(y.hits.Load() - before)
}

// A client's limit is for all routes to the service, and what waits waits.
func TestOwn_rateLimitOfAClient(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("RateLimit", "host: reviews, rules: [{fixedWindow: {limit: 2, window: 24h}}]"))
		if got := y.calls(5); got[200] != 2 || got[429] != 3 || y.hits.Load() != 2 {
			t.Errorf("got %v and %d at the server, want 2 and 3 refusals", got, y.hits.Load())
		}
		y.own(ownDoc("RateLimit", "host: reviews, rules: [{leakyBucket: {rate: 50, queue: 5, maxWait: 1m}}]"))
		begun := time.Now()
		if got := y.calls(4); got[200] != 4 || time.Since(begun) < 50*time.Millisecond {
			t.Errorf("through a leaky bucket: got %v in %v, want all of 4, 20 ms apart", got, time.Since(begun))
		}
	})
}

func TestOwn_circuitBreaker(t *testing.T) {
	open := ownDoc("CircuitBreaker", "host: reviews, consecutiveFailures: 3, openFor: 1h")
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.answers(always(500))
		y.own(ownDoc("CircuitBreaker", "host: reviews, consecutiveFailures: 3, openFor: 1h, shadow: true"))
		if got := y.arrived(8); got != 8 || y.counted(y.caller, "breaker", true) != 5 {
			t.Errorf("in shadow: %d of 8 arrived, counted %d; want all and 5", got, y.counted(y.caller, "breaker", true))
		}
		y.own(open)
		if got := y.arrived(8); got != 3 {
			t.Errorf("%d of 8 arrived, want 3 until the breaker is open", got)
		}
		y.answers(always(200))
		y.own(open + ownDoc("RetryBudget", "host: reviews, ratio: 0.5"))
		if got := y.calls(3); got[503] != 3 {
			t.Errorf("after a reload of something else: got %v, want the breaker open", got)
		}
		y.own(strings.Replace(open, "3,", "4,", 1))
		if got := y.calls(3); got[200] != 3 {
			t.Errorf("with another breaker: got %v, want it closed", got)
		}
	})
}

func TestOwn_circuitBreakerPerRoute(t *testing.T) {
	routes := strings.Replace(noRetries, "[{retries", "[{match: [{headers: {x-way: {exact: a}}}], name: way-a, retries: {attempts: 0}, route: [{destination: {host: reviews}}]}, {retries", 1)
	eachProtocol(t, routes, func(t *testing.T, y *yard) {
		y.own(ownDoc("CircuitBreaker", "host: reviews, per: ROUTE, consecutiveFailures: 1, openFor: 1h"))
		y.answers(always(500))
		y.call(t.Context(), "x-way", "a")
		y.answers(always(200))
		if code, _ := y.call(t.Context(), "x-way", "a"); code != 503 {
			t.Errorf("the route that failed: got %d, want 503", code)
		}
		if code, _ := y.call(t.Context()); code != 200 {
			t.Errorf("the other route: got %d, want 200", code)
		}
	})
}

// A breaker of a document is held open, held closed and reset at run time, and a reload of
// something else leaves it as it is told.
func TestOwn_circuitBreakerIsForced(t *testing.T) {
	doc := ownDoc("CircuitBreaker", "host: reviews, consecutiveFailures: 3, openFor: 1h")
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		if y.caller.Breaker("reviews", "") != nil || len(y.caller.Breakers()) != 0 {
			t.Error("there is a breaker and no document")
		}
		y.own(doc)
		b := y.caller.Breaker("reviews.default", "")
		if b == nil || y.caller.Breaker("reviews", "no such route") != nil || y.caller.Breaker("ratings", "") != nil {
			t.Fatalf("got %v for the service", b)
		}
		b.ForceOpen()
		if got := y.calls(3); got[503] != 3 || y.hits.Load() != 0 {
			t.Errorf("held open: got %v, %d arrived", got, y.hits.Load())
		}
		y.own(doc + ownDoc("RetryBudget", "host: reviews, ratio: 0.5"))
		if got := y.calls(3); got[503] != 3 || y.hits.Load() != 0 || y.caller.Breaker("reviews", "") != b {
			t.Errorf("held open, after a reload of something else: got %v, %d arrived", got, y.hits.Load())
		}
		want := []mesh.BreakerStatus{{Service: "reviews.default.svc.cluster.local", State: "open", Forced: true}}
		if got := y.caller.Breakers(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		y.answers(always(500))
		b.ForceClosed()
		if got := y.arrived(8); got != 8 {
			t.Errorf("held closed: %d of 8 failures arrived, want all", got)
		}
		b.Reset()
		if got := y.arrived(8); got != 3 || b.Forced() {
			t.Errorf("after the reset: %d of 8 arrived, forced %v; want 3 until it trips", got, b.Forced())
		}
		y.own(strings.Replace(doc, "3,", "4,", 1))
		if now := y.caller.Breaker("reviews", ""); now == nil || now == b {
			t.Error("the document was edited, and its breaker is the old one")
		}
	})
}

// The service has no VirtualService and was never called: its breaker is there when asked for.
func TestOwn_circuitBreakerOfAnUncalledService(t *testing.T) {
	y := newYard(t, "http", ownDoc("CircuitBreaker", "host: reviews, consecutiveFailures: 3"))
	b := y.caller.Breaker("reviews", "")
	if b == nil {
		t.Fatal("no breaker")
	}
	b.ForceOpen()
	if got := y.calls(1); got[503] != 1 || y.hits.Load() != 0 {
		t.Errorf("got %v, %d arrived", got, y.hits.Load())
	}
}

func TestOwn_throttle(t *testing.T) {
	spec := "host: reviews, multiplier: 1.1, window: 1h, minRequests: 10, minPerSecond: 1"
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.answers(always(503))
		y.own(ownDoc("Throttle", spec+", shadow: true"))
		if got := y.arrived(100); got != 100 || y.counted(y.caller, "throttle", true) < 30 {
			t.Errorf("in shadow: %d of 100 arrived, counted %d; want all", got, y.counted(y.caller, "throttle", true))
		}
		y.own(ownDoc("Throttle", spec))
		if got := y.arrived(200); got > 100 {
			t.Errorf("%d of 200 arrived, want at most half", got)
		}
	})
}

func TestOwn_retryBudget(t *testing.T) {
	none := "host: reviews, ratio: 0, minPerSecond: 0"
	eachProtocol(t, retryTwice, func(t *testing.T, y *yard) {
		y.answers(always(503))
		if got := y.arrived(5); got != 15 {
			t.Errorf("without a document: %d arrived of 5 calls, want 15", got)
		}
		y.own(ownDoc("RetryBudget", none+", shadow: true"))
		if got := y.arrived(5); got != 15 || y.counted(y.caller, "budget", true) != 10 {
			t.Errorf("in shadow: %d arrived of 5 calls, counted %d; want 15 and 10", got, y.counted(y.caller, "budget", true))
		}
		y.own(ownDoc("RetryBudget", none))
		if got := y.arrived(5); got != 5 {
			t.Errorf("with none to spend: %d arrived of 5 calls, want 5", got)
		}
	})
}

// Retries and hedges of a mesh spend from one budget: ten attempts in its window, whoever takes them.
func TestOwn_budgetIsShared(t *testing.T) {
	y := newYard(t, "http", retryTwice)
	y.answers(func(ctx context.Context, _ int64) int {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
		return 503
	})
	y.registry.Set("reviews", y.endpointOf(), y.endpointOf())
	y.own(ownDoc("RetryBudget", "host: reviews, ratio: 0, minPerSecond: 1") + ownDoc("Hedge", "host: reviews, delay: 10ms"))
	if got := y.arrived(12); got != 22 {
		t.Errorf("%d arrived of 12 calls, want 22", got)
	}
	hedges, retries := y.counted(y.caller, "hedge", false), y.counted(y.caller, "retry", false)
	if hedges == 0 || retries == 0 {
		t.Errorf("counted %d hedges and %d retries, want some of both", hedges, retries)
	}
}

func TestOwn_concurrencyOfAClient(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("ConcurrencyLimit", "host: reviews, max: 1"))
		hold(t, y, 1)
		if got := y.arrived(2); got != 0 {
			t.Errorf("while one runs: %d arrived, want none", got)
		}
		y.own(ownDoc("ConcurrencyLimit", "host: reviews, shadow: true, max: 1"))
		hold(t, y, 1)
		if got := y.arrived(2); got != 2 || y.counted(y.caller, "concurrency", true) < 2 {
			t.Errorf("in shadow: %d arrived, counted %d; want 2", got, y.counted(y.caller, "concurrency", true))
		}
	})
}

// The first attempt hangs, and the second is answered.
func TestOwn_hedge(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.answers(func(ctx context.Context, n int64) int {
			if n%2 == 1 {
				<-ctx.Done()
			}
			return 200
		})
		y.registry.Set("reviews", y.endpointOf(), y.endpointOf())
		y.own(ownDoc("Hedge", "host: reviews, match: [{headers: {x-slow: {exact: no}}}], delay: 10ms, idempotent: true"))
		if code, _ := y.call(t.Context(), "x-slow", "no"); code != 200 {
			t.Errorf("a call that is hedged: got %d, want 200", code)
		}
		if got := y.counted(y.caller, "hedge", false); got != 1 || y.hits.Load() != 2 {
			t.Errorf("counted %d hedges, %d arrived; want 1 and 2", got, y.hits.Load())
		}
		slow := answers(func(context.Context, int64) int { time.Sleep(50 * time.Millisecond); return 200 })
		y.answers(slow)
		if got := y.arrived(1); got != 1 {
			t.Errorf("a call that does not match: %d arrived, want 1", got)
		}
		y.own(ownDoc("Hedge", "host: reviews, shadow: true, delay: 10ms, idempotent: true"))
		if got := y.arrived(2); got != 2 || y.counted(y.caller, "hedge", true) != 2 {
			t.Errorf("in shadow: %d arrived, counted %d; want 2", got, y.counted(y.caller, "hedge", true))
		}
		y.own(ownDoc("Hedge", "host: reviews, delay: 10ms"))
		if got, want := y.arrived(1), map[string]int{"http": 2, "grpc": 1}[y.protocol]; got != want {
			t.Errorf("of what does not say that it may be done twice %d arrived, want %d", got, want)
		}
	})
}

func TestOwn_fallbackStatic(t *testing.T) {
	static := "host: reviews, static: {status: 200, body: nothing yet, grpcMessage: CAE=}"
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.answers(always(503))
		y.own(ownDoc("Fallback", static+", shadow: true"))
		if got := y.calls(3); got[503] != 3 || y.counted(y.caller, "fallback", true) != 3 {
			t.Errorf("in shadow: got %v, counted %d", got, y.counted(y.caller, "fallback", true))
		}
		y.own(ownDoc("Fallback", static))
		code, answer := y.call(t.Context())
		if code != 200 || answer["enmesh-fallback"] != "static" || y.protocol == "http" && answer["body"] != "nothing yet" {
			t.Errorf("got %d %v, want the static answer", code, answer)
		}
	})
}

// A good answer of before a reload is given after it; another destination goes before it.
func TestOwn_fallbackElsewhere(t *testing.T) {
	cached := "host: reviews, idempotent: true, cache: {}"
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		var basic atomic.Int64
		basic.Store(200)
		y.registry.Set("basic", y.serve(y.open("reviews", "v2"), func(context.Context) int { return int(basic.Load()) }))
		y.own(ownDoc("Fallback", cached+", destination: {host: basic}"))
		if got := y.calls(2); got[200] != 2 {
			t.Fatalf("got %v", got)
		}
		y.answers(always(500))
		if code, answer := y.call(t.Context()); code != 200 || answer["enmesh-fallback"] != "destination" {
			t.Errorf("got %d %v, want the answer of the other service", code, answer)
		}
		basic.Store(500)
		y.own(ownDoc("Fallback", cached+", destination: {host: basic}") + ownDoc("RetryBudget", "host: reviews"))
		if code, answer := y.call(t.Context()); code != 200 || answer["enmesh-fallback"] != "cache" {
			t.Errorf("got %d %v, want the last good answer", code, answer)
		}
	})
}

// Without a word that calls may be done twice, those of gRPC go nowhere else and nothing is
// kept of them: their descriptor has no idempotency_level. A GET says so itself.
func TestOwn_fallbackOfWhatIsNotIdempotent(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.registry.Set("basic", y.serve(y.open("reviews", "v2"), func(context.Context) int { return 200 }))
		y.own(ownDoc("Fallback", "host: reviews, cache: {}, destination: {host: basic}"))
		y.calls(2)
		y.answers(always(500))
		want := map[string]int{"http": 200, "grpc": 500}[y.protocol]
		if code, answer := y.call(t.Context()); code != want {
			t.Errorf("got %d %v, want %d", code, answer, want)
		}
	})
}

// A code that an operator lists is consent to send a call again that may have been done,
// unless he, or the program, wants it strict.
func TestOwn_strictRetries(t *testing.T) {
	strict := strings.Replace(retryTwice, "{name: reviews}", `{name: reviews, annotations: {enmesh.dev/strict-retries: "true"}}`, 1)
	for name, tt := range map[string]struct {
		documents string
		opts      []mesh.Option
		grpc      int // arrive of one call
		http      int // of one GET, which may be sent again
	}{
		"as listed":      {retryTwice, nil, 3, 3},
		"annotated":      {strict, nil, 1, 3},
		"by option":      {retryTwice, []mesh.Option{mesh.WithStrictRetries()}, 1, 3},
		"by default":     {"", nil, 3, 1}, // Istio's default has no 503
		"not by default": {"", []mesh.Option{mesh.WithStrictRetries()}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, protocol := range []string{"http", "grpc"} {
				want := tt.grpc
				if protocol == "http" {
					want = tt.http
				}
				y := newYard(t, protocol, tt.documents, tt.opts...)
				y.answers(always(503))
				if got := y.arrived(1); got != want {
					t.Errorf("%s: %d arrived of one call, want %d", protocol, got, want)
				}
			}
		})
	}
}

// A document for a client says nothing to the server, nor the other way round.
func TestOwn_eachSideIsItsOwn(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("RateLimit", "host: ratings, rules: [{tokenBucket: {rate: 0.001, burst: 1}}]") +
			strings.Replace(ownDoc("RateLimit", "selector: {matchLabels: {app: ratings}}, rules: [{tokenBucket: {rate: 0.001, burst: 1}}]"), "name: ratelimit", "name: other", 1))
		if got := y.calls(5); got[200] != 5 {
			t.Errorf("got %v, want all", got)
		}
	})
}
