// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"testing"

	"google.golang.org/grpc/codes"
)

// ruled is a VirtualService for echo with one rule.
func ruled(more string) string {
	return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
  - match: [{uri: {exact: ` + unary + `}}]
    ` + more + `
    route: [{destination: {host: echo}}]
  - route: [{destination: {host: echo}}]
`
}

// one is an agent with one instance.
func one(t *testing.T, documents string) (*plane, *backend) {
	t.Helper()
	p := run(t)
	p.policy(documents)
	b := serve(t, "one")
	p.registry.Set("echo", b.at())
	return p, b
}

func TestTimeout(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, _ := one(t, ruled("timeout: 500ms"))
		c := p.client(l, "echo:7070")
		if got := c.call(unary, "sleep", "30000"); got.Code != codes.DeadlineExceeded || got.MS < 400 || got.MS > 20_000 {
			t.Errorf("a slow call: got %+v, want DEADLINE_EXCEEDED after 500 ms", got)
		}
		if got := c.call(empty, "sleep", "1000"); got.Code != codes.OK {
			t.Errorf("a call without a timeout: got %+v", got)
		}
		if got := c.call(unary); got.Code != codes.OK {
			t.Errorf("a quick call: got %+v", got)
		}
	})
}

func TestFaultInjection(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		for _, tc := range []struct {
			name, fault string
			code        codes.Code
			share       int // of 400
			slow        bool
		}{
			{"all are delayed", "{delay: {fixedDelay: 1s, percentage: {value: 100}}}", codes.OK, 400, true},
			{"all are ended", "{abort: {grpcStatus: UNAUTHENTICATED, percentage: {value: 100}}}", codes.Unauthenticated, 400, false},
			{"some are ended", "{abort: {grpcStatus: ABORTED, percentage: {value: 50}}}", codes.Aborted, 200, false},
			{"by a status of HTTP", "{abort: {httpStatus: 404, percentage: {value: 100}}}", codes.Unimplemented, 400, false},
			{"none are", "{abort: {grpcStatus: ABORTED, percentage: {value: 0}}}", codes.OK, 400, false},
		} {
			p, _ := one(t, ruled("fault: "+tc.fault))
			c := p.client(l, "echo:7070")
			got := ends(c.do(order{Do: "calls", N: 400, At: 100, Method: unary}).Calls)
			// Five standard deviations of 400 calls at 50 % are 50.
			if n := got.codes()[tc.code]; n < tc.share-50 || n > tc.share+50 || tc.share == 400 && n != 400 {
				t.Errorf("%s: got %v, want %d of %v", tc.name, got, tc.share, tc.code)
			}
			for _, e := range got {
				if tc.slow && e.MS < 900 {
					t.Fatalf("%s: a call took %d ms, want 1 s", tc.name, e.MS)
				}
			}
			if got := c.calls(20, empty); got.failed() > 0 {
				t.Errorf("%s: another method: %v", tc.name, got)
			}
		}
	})
}

func TestRetry(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, b := one(t, ruled("retries: {attempts: 3, retryOn: \"unavailable,cancelled\"}"))
		c := p.client(l, "echo:7070")
		for _, tc := range []struct {
			headers  []string
			code     codes.Code
			attempts int
		}{
			{nil, codes.OK, 1},
			{[]string{"fail-until", "1"}, codes.OK, 2},
			{[]string{"fail-until", "3"}, codes.OK, 4},
			{[]string{"fail-until", "9"}, codes.Unavailable, 4},
			{[]string{"fail", "5"}, codes.NotFound, 1}, // no condition of the rule
		} {
			before := b.called()
			if got := c.call(unary, tc.headers...); got.Code != tc.code || b.called()-before != tc.attempts {
				t.Errorf("%q: got %+v after %d attempts, want %v after %d", tc.headers, got, b.called()-before, tc.code, tc.attempts)
			}
		}
	})
}

func TestNoRetryWhereTheRuleSaysNone(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, b := one(t, ruled("retries: {attempts: 0}"))
		if got := p.client(l, "echo:7070").call(unary, "fail-until", "1"); got.Code != codes.Unavailable || b.called() != 1 {
			t.Errorf("got %+v after %d attempts, want UNAVAILABLE after 1", got, b.called())
		}
	})
}

func TestCircuitBreaking(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, b := one(t, balanced(inTurn+", connectionPool: {http: {http2MaxRequests: 5}}")+"\n---"+ruled("retries: {attempts: 0}"))
		c := p.client(l, "echo:7070")
		if got := c.call(unary); got.Code != codes.OK {
			t.Fatalf("got %+v", got)
		}
		held := c.send(order{Do: "calls", N: 5, At: 5, Method: unary, Headers: map[string]string{"hold": "x"}})
		eventually(t, "five are in flight", func() bool { return b.holds() == 5 })
		if got := c.calls(10, unary); got.codes()[codes.Unavailable] != 10 {
			t.Errorf("beyond five: got %v, want UNAVAILABLE", got)
		}
		close(b.gate)
		if got := ends(c.await(held).Calls); got.failed() > 0 {
			t.Errorf("the first five: got %v", got)
		}
		if got := c.calls(10, unary); got.failed() > 0 {
			t.Errorf("one at a time: got %v", got)
		}
	})
}

func TestOutlierDetection(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, list := three(t, balanced(inTurn+", outlierDetection: {consecutive5xxErrors: 5, interval: 1s, baseEjectionTime: 5s, maxEjectionPercent: 50}")+
			"\n---"+ruled("retries: {attempts: 0}"))
		c := p.client(l, "echo:7070")
		warm(t, c, 3)
		list[0].fail(true)
		eventually(t, "one is ejected", func() bool { return c.calls(60, unary).by("two", "three") })
		list[0].fail(false)
		warm(t, c, 3)
	})
}
