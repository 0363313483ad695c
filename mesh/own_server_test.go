// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
)

const reviewsOnly = "selector: {matchLabels: {app: reviews}}, "

// A limit of a server holds, keeps what was taken over reloads of other things, and begins
// anew when it is another.
func TestOwn_rateLimitOfAServer(t *testing.T) {
	limit := func(burst string) string {
		return ownDoc("RateLimit", reviewsOnly+"rules: [{name: all, headers: ALWAYS, tokenBucket: {rate: 0.001, burst: "+burst+"}}]")
	}
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(limit("3"))
		if got := y.calls(5); got[200] != 3 || got[429] != 2 {
			t.Fatalf("got %v, want 3 answers and 2 refusals", got)
		}
		_, answer := y.call(t.Context())
		if answer["ratelimit-policy"] == "" || answer["ratelimit"] == "" || answer["retry-after"] == "" && answer["grpc-retry-pushback-ms"] == "" {
			t.Errorf("a refusal carries %v, want RateLimit headers and when to come back", answer)
		}
		y.own(limit("3") + ownDoc("Shed", "cpu: 0, inFlight: 100"))
		if got := y.calls(3); got[429] != 3 {
			t.Errorf("after a reload of something else: got %v, want the bucket drained", got)
		}
		y.own(limit("2"))
		if got := y.calls(3); got[200] != 2 || got[429] != 1 {
			t.Errorf("with another burst: got %v, want 2 answers", got)
		}
		y.own("")
		if got := y.calls(3); got[200] != 3 {
			t.Errorf("without the limit: got %v", got)
		}
	})
}

// A document with a mistake is refused with its line, and what was in force stays, as it was.
func TestOwn_mistakeChangesNothing(t *testing.T) {
	limit := ownDoc("RateLimit", reviewsOnly+"rules: [{tokenBucket: {rate: 0.001, burst: 1}}]")
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(limit)
		y.calls(1)
		for _, bad := range []struct{ doc, want string }{
			{ownDoc("RateLimit", reviewsOnly+"rules: [{tokenBucket: {rate: 0.001, brust: 9}}]"), `z-own.yaml:5:85: RateLimit "ratelimit" (document 1): spec.rules[0].tokenBucket.brust: no such field in tokenBucket: did you mean burst?`},
			{ownDoc("Shed", "cpu: 7"), `z-own.yaml:5:8: Shed "shed" (document 1): spec.cpu: 7 is out of range: write 0 to 1`},
			{ownDoc("Hedge", "host: reviews, delay: 1s, maxHedges: 50"), "z-own.yaml:5:34"},
		} {
			y.own(bad.doc)
			if err := y.server.Status().Policy.Err; err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("got %v, want %s", err, bad.want)
			}
			if got := y.calls(2); got[429] != 2 {
				t.Errorf("after a mistake: got %v, want the drained bucket of before", got)
			}
		}
	})
}

// What matters on a server in shadow is counted and not done.
func TestOwn_serverInShadow(t *testing.T) {
	for _, tt := range []struct{ kind, spec, policy string }{
		{"RateLimit", "rules: [{tokenBucket: {rate: 0.001, burst: 1}}]", "limit"},
		{"RateLimit", "rules: [{fixedWindow: {limit: 1, window: 24h}}]", "limit"},
		{"RateLimit", "rules: [{leakyBucket: {rate: 0.001, queue: 0}}]", "limit"},
		{"RateLimit", "rules: [{slidingWindow: {limit: 1, window: 24h, exact: true}}]", "limit"},
		{"RateLimit", "rules: [{key: [{principal: true}, {method: true}], slidingWindow: {limit: 1, window: 24h}}]", "limit"},
	} {
		t.Run(tt.spec, func(t *testing.T) {
			eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
				y.own(ownDoc(tt.kind, reviewsOnly+"shadow: true, "+tt.spec))
				if got := y.calls(5); got[200] != 5 {
					t.Errorf("in shadow: got %v, want 5 answers", got)
				}
				if got := y.counted(y.server, tt.policy, true); got != 4 {
					t.Errorf("in shadow: counted %d, want 4", got)
				}
				y.own(ownDoc(tt.kind, reviewsOnly+tt.spec))
				if got := y.calls(5); got[429] < 4 { // what was drained in shadow may stay so
					t.Errorf("in force: got %v, want 4 refusals", got)
				}
			})
		})
	}
}

// Each key has a limit of its own, and a rule is for the calls that it matches.
func TestOwn_rateLimitByKeyAndMatch(t *testing.T) {
	spec := "rules: [{match: [{headers: {x-tier: {exact: free}}}], key: [{header: x-user}], tokenBucket: {rate: 0.001, burst: 2}}]"
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("RateLimit", reviewsOnly+spec))
		got := map[string]int{}
		for _, user := range []string{"ann", "bob"} {
			for _, tier := range []string{"free", "paid"} {
				for range 4 {
					if code, _ := y.call(t.Context(), "x-user", user, "x-tier", tier); code == 429 {
						got[user+" "+tier]++
					}
				}
			}
		}
		if want := map[string]int{"ann free": 2, "bob free": 2}; !maps.Equal(got, want) {
			t.Errorf("refused %v, want %v", got, want)
		}
	})
}

// hold makes calls that stay in the handler until the end of the test, n of them.
func hold(t *testing.T, y *yard, n int) {
	t.Helper()
	arrived, leave := make(chan struct{}), make(chan struct{})
	y.answers(func(context.Context, int64) int {
		arrived <- struct{}{}
		<-leave
		return 200
	})
	done := make(chan struct{}, n)
	for range n {
		go func() { defer func() { done <- struct{}{} }(); y.call(context.Background()) }() //nolint:usetesting // it outlives the test's
		<-arrived
	}
	y.answers(func(context.Context, int64) int { return 200 })
	t.Cleanup(func() {
		close(leave)
		for range n {
			<-done
		}
	})
}

func TestOwn_concurrencyOfAServer(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("ConcurrencyLimit", reviewsOnly+"max: 2, shares: {sheddable: 0.5}"))
		hold(t, y, 1)
		code, answer := y.call(enmesh.WithCriticality(t.Context(), enmesh.Sheddable))
		if code != 429 || answer["retry-after"] != "1" && answer["grpc-retry-pushback-ms"] != "100" {
			t.Errorf("a call that is sheddable: got %d %v, want 429, and when to come back", code, answer)
		}
		if got := y.calls(2); got[200] != 2 {
			t.Errorf("while one runs: got %v, want room for one more", got)
		}
		y.own(ownDoc("ConcurrencyLimit", reviewsOnly+"max: 2, shares: {sheddable: 0.5}") + ownDoc("RateLimit", "rules: [{tokenBucket: {rate: 1000}}]"))
		hold(t, y, 1)
		if got := y.calls(2); got[429] != 2 {
			t.Errorf("while two run, one of them since before a reload: got %v, want none to go", got)
		}
		y.own(ownDoc("ConcurrencyLimit", reviewsOnly+"shadow: true, adaptive: {min: 1, max: 1, initial: 1}"))
		if got := y.calls(3); got[200] != 3 {
			t.Errorf("in shadow: got %v", got)
		}
	})
}

// The status that a document wants is that of HTTP; gRPC's code stays, with RetryInfo.
func TestOwn_concurrencyStatus(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("ConcurrencyLimit", reviewsOnly+"max: 1, status: 529"))
		hold(t, y, 1)
		if y.protocol == "http" {
			if code, answer := y.call(t.Context()); code != 529 || answer["retry-after"] != "1" {
				t.Errorf("got %d %v, want 529 and to come back in 1 s", code, answer)
			}
			return
		}
		_, err := grpc_health_v1.NewHealthClient(y.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		var wait time.Duration
		for _, d := range status.Convert(err).Details() {
			if info, ok := d.(*errdetails.RetryInfo); ok {
				wait = info.GetRetryDelay().AsDuration()
			}
		}
		if status.Code(err) != codes.ResourceExhausted || wait != 100*time.Millisecond {
			t.Errorf("got %v with RetryInfo %v, want RESOURCE_EXHAUSTED and 100ms", err, wait)
		}
	})
}

func TestOwn_shed(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("Shed", reviewsOnly+"cpu: 0, inFlight: 4"))
		hold(t, y, 2)
		code, answer := y.call(enmesh.WithCriticality(t.Context(), enmesh.Sheddable))
		if code != 503 || answer["enmesh-retry"] != "never" && answer["grpc-retry-pushback-ms"] != "-1" {
			t.Errorf("a call that is sheddable: got %d %v, want 503 and not to come again", code, answer)
		}
		if code, _ := y.call(t.Context()); code != 200 {
			t.Errorf("a call that matters: got %d, want 200", code)
		}
		y.own(ownDoc("Shed", reviewsOnly+"shadow: true, cpu: 0, inFlight: 1"))
		hold(t, y, 2)
		if got := y.calls(3); got[200] != 3 || y.counted(y.server, "shed", true) == 0 {
			t.Errorf("in shadow: got %v, counted %d", got, y.counted(y.server, "shed", true))
		}
	})
}

// While one runs another waits, and goes when it is done.
// In shadow all run at once, and the one for whom there was no room is counted.
func TestOwn_queueInShadow(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("Shed", reviewsOnly+"shadow: true, cpu: 0, queue: {slots: 1, waiting: 1, interval: 10s, target: 10s}"))
		arrived, leave := make(chan struct{}, 3), make(chan struct{})
		y.answers(func(context.Context, int64) int {
			arrived <- struct{}{}
			<-leave
			return 200
		})
		codes := make(chan int, 3)
		for range 3 {
			go func() { code, _ := y.call(t.Context()); codes <- code }()
		}
		for range 3 {
			<-arrived // nobody waits
		}
		close(leave)
		for range 3 {
			if code := <-codes; code != 200 {
				t.Errorf("got %d, want 200", code)
			}
		}
		until(t, "one is counted", func() bool { return y.counted(y.server, "shed", true) == 1 })
	})
}

func TestOwn_queue(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		y.own(ownDoc("Shed", reviewsOnly+"cpu: 0, queue: {slots: 1, waiting: 1, interval: 10s, target: 10s}"))
		arrived, leave := make(chan struct{}, 2), make(chan struct{})
		y.answers(func(context.Context, int64) int {
			arrived <- struct{}{}
			<-leave
			return 200
		})
		codes := make(chan int, 3)
		call := func() { code, _ := y.call(t.Context()); codes <- code }
		go call()
		<-arrived
		go call()
		go call() // the queue has room for one of these
		if code := <-codes; code != 503 || len(arrived) != 0 {
			t.Errorf("one too many: got %d, want 503", code)
		}
		close(leave)
		for range 2 {
			if code := <-codes; code != 200 {
				t.Errorf("got %d, want 200", code)
			}
		}
	})
}

// How much a call matters goes from hop to hop without any document, and nobody but who is
// known is believed that a call matters more than most.
func TestCriticality_goesFromHopToHop(t *testing.T) {
	eachProtocol(t, noRetries, func(t *testing.T, y *yard) {
		var got enmesh.Criticality
		y.answers(func(ctx context.Context, _ int64) int { got = enmesh.CriticalityOf(ctx); return 200 })
		for _, level := range []enmesh.Criticality{enmesh.Critical, enmesh.CriticalPlus, enmesh.SheddablePlus, enmesh.Sheddable} {
			y.call(enmesh.WithCriticality(t.Context(), level))
			if got != level {
				t.Errorf("got %v, want %v", got, level)
			}
		}
	})
}

// The program may say whom it believes.
func TestWithTrust(t *testing.T) {
	y := newYard(t, "http", noRetries)
	var got enmesh.Criticality
	server := y.open("reviews", "v2", mesh.WithTrust(func(p *enmesh.Peer) bool { return p.Identity == "spiffe://cluster.local/ns/default/sa/ratings" }))
	y.registry.Set("basic", y.serve(server, func(ctx context.Context) int { got = enmesh.CriticalityOf(ctx); return 200 }))
	for caller, want := range map[string]enmesh.Criticality{"ratings": enmesh.CriticalPlus, "productpage": enmesh.Critical} {
		if _, err := get(enmesh.WithCriticality(t.Context(), enmesh.CriticalPlus), y.town.client(y.open(caller, "v1")), "http://basic/"); err != nil || got != want {
			t.Errorf("from %s: got %v, %v; want %v", caller, got, err, want)
		}
	}
}
