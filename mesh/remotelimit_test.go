// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit/redislimit"
	"github.com/enmesh-go/enmesh/limit/rls"
	"github.com/enmesh-go/enmesh/mesh"
)

// onRedis counts the limits of a fleet in a Redis, with nothing taken ahead, so that a
// test can count exactly.
func onRedis(t *testing.T, addr string) mesh.Option {
	t.Helper()
	client, err := redislimit.Connect(redislimit.Servers{Addrs: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	provider, err := redislimit.NewProvider(client, redislimit.Config{Lease: -1, Timeout: 1e9})
	if err != nil {
		t.Fatal(err)
	}
	return mesh.WithSharedLimits("fleet", provider)
}

// Two servers of a service, which know nothing of each other, share the limit that policy
// asks for; each key has its own; and two documents can share one by its name.
func TestRemoteLimit_ofAFleet(t *testing.T) {
	redis := redistest.Start(t)
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			y := newYard(t, protocol, noRetries, onRedis(t, redis.Addr))
			other := y.open("reviews", "v1", onRedis(t, redis.Addr))
			y.registry.Set("reviews", y.endpointOf(), y.endpointAt(other))
			limit := func(rule string) string {
				return ownDoc("RateLimit", reviewsOnly+"rules: [{"+rule+"}]")
			}
			load := func(documents string) {
				t.Helper()
				loads := other.Status().Policy.Loads
				y.own(documents)
				until(t, "the other server has the policy", func() bool { return other.Status().Policy.Loads > loads })
				if err := other.Status().Policy.Err; err != nil {
					t.Fatal(err)
				}
			}
			made := func(n int, header ...string) map[int]int {
				t.Helper()
				got := map[int]int{}
				for range n {
					code, _ := y.call(t.Context(), header...)
					got[code]++
				}
				return got
			}
			bucket := "sharedBucket: {provider: fleet, name: " + protocol + ", rate: 0.001, burst: 5}"
			load(limit("key: [{header: x-tenant}], " + bucket))
			if got := made(12, "x-tenant", "a"); got[200] != 5 || got[429] != 7 {
				t.Errorf("of 12 calls of one tenant to two servers: got %v, want 5 answers and 7 refusals", got)
			}
			_, answer := y.call(t.Context(), "x-tenant", "a")
			if !strings.Contains(answer["ratelimit-policy"], `"`+protocol+`"`) || answer["retry-after"] == "" && answer["grpc-retry-pushback-ms"] == "" {
				t.Errorf("a refusal carries %v, want the limit's name and when to come back", answer)
			}
			if got := made(4, "x-tenant", "b"); got[200] != 4 {
				t.Errorf("of 4 calls of another tenant: got %v, want 4 answers", got)
			}
			load(limit("key: [{header: x-tenant}], "+bucket) + ownDoc("Shed", "cpu: 0, inFlight: 100"))
			if got := made(2, "x-tenant", "a"); got[429] != 2 {
				t.Errorf("after a reload of something else: got %v, want 2 refusals", got)
			}
			load(limit("name: rule, sharedBucket: {provider: fleet, rate: 0.001, burst: 3}"))
			if got := made(6); protocol == "http" && (got[200] != 3 || got[429] != 3) || protocol == "grpc" && got[429] != 6 {
				t.Errorf("without a key, by the rule's name, which both protocols' runs have: got %v, want 3 answers in the first and none in the second", got)
			}
			load("")
			if got := made(6); got[200] != 6 {
				t.Errorf("without the limit: got %v", got)
			}
		})
	}
}

// A client's calls are limited in the same way, and in shadow they are counted.
func TestRemoteLimit_ofAClient(t *testing.T) {
	redis := redistest.Start(t)
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			y := newYard(t, protocol, noRetries, onRedis(t, redis.Addr))
			rule := "host: reviews, rules: [{sharedBucket: {provider: fleet, name: " + protocol + ", rate: 0.001, burst: 2}}]"
			y.own(ownDoc("RateLimit", rule))
			if got := y.calls(5); got[200] != 2 || got[429] != 3 || y.hits.Load() != 2 {
				t.Errorf("got %v and %d calls at the server, want 2 answers and 3 refusals", got, y.hits.Load())
			}
			y.own(ownDoc("RateLimit", "shadow: true, "+rule))
			if got := y.calls(5); got[200] != 5 {
				t.Errorf("in shadow: got %v, want 5 answers", got)
			}
			until(t, "5 refusals are counted in shadow", func() bool { return y.counted(y.caller, "limit", true) == 5 })
		})
	}
}

// asEnvoys runs the service that Envoy asks about calls, with a limit for each user.
func asEnvoys(t *testing.T, limit string) *rls.Provider {
	t.Helper()
	conn, err := grpc.NewClient(redistest.RateLimit(t, `domain: shop
descriptors:
  - {key: user, rate_limit: {unit: `+limit+`}}
`), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	provider, err := rls.NewProvider(conn, rls.Config{Timeout: 5e9})
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

// The service that Envoy asks about calls is asked about ours.
func TestRemoteLimit_byEnvoysService(t *testing.T) {
	provider := asEnvoys(t, "year, requests_per_unit: 3")
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			y := newYard(t, protocol, noRetries, mesh.WithRateLimitService("envoy", provider))
			y.own(ownDoc("RateLimit", reviewsOnly+`rules: [{envoyHeaders: true, rateLimitService: {provider: envoy, domain: shop, onFailure: DENY,
  descriptors: [{entries: [{key: user, header: x-user}]}]}}]`))
			got := map[int]int{}
			for range 5 {
				code, answer := y.call(t.Context(), "x-user", protocol)
				got[code]++
				if protocol == "http" && answer["x-ratelimit-limit"] == "" {
					t.Errorf("an answer with %d carries %v, want what is left", code, answer)
				}
			}
			if got[200] != 3 || got[429] != 2 {
				t.Errorf("got %v, want 3 answers and 2 refusals", got)
			}
			if got := y.calls(5); got[200] != 5 {
				t.Errorf("of calls without the header: got %v, want 5 answers: they have no descriptor", got)
			}
		})
	}
}

// Who counts hangs, and is given a minute: in shadow nobody waits for it, and no header is
// touched.
func TestRemoteLimit_inShadow(t *testing.T) {
	hung, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and answers nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hung.Close() })
	client, err := redislimit.Connect(redislimit.Servers{Addrs: []string{hung.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	fleet, err := redislimit.NewProvider(client, redislimit.Config{Lease: -1, Timeout: 1e9})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+hung.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	envoy, err := rls.NewProvider(conn, rls.Config{Timeout: 10e9})
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			y := newYard(t, protocol, noRetries, mesh.WithSharedLimits("fleet", fleet), mesh.WithRateLimitService("envoy", envoy))
			y.own(ownDoc("RateLimit", reviewsOnly+`shadow: true, rules: [{name: a, sharedBucket: {provider: fleet, rate: 1}},
  {name: b, envoyHeaders: true, rateLimitService: {provider: envoy, domain: shop, onFailure: DENY, descriptors: [{entries: [{key: k, value: v}]}]}}]`))
			begun := time.Now()
			for range 10 {
				code, answer := y.call(t.Context())
				if code != 200 || answer["ratelimit-policy"] != "" || answer["x-ratelimit-limit"] != "" {
					t.Errorf("got %d %v, want an answer that no limit has touched", code, answer)
				}
			}
			if took := time.Since(begun); took > 9*time.Second { // ten waits of Redis alone are 10 s
				t.Errorf("ten calls took %v: they have waited", took)
			}
		})
	}
}

// A policy whose provider the program did not give is refused, by name, and what was in
// force stays.
func TestRemoteLimit_unknownProvider(t *testing.T) {
	y := newYard(t, "http", noRetries)
	y.own(ownDoc("RateLimit", reviewsOnly+"rules: [{tokenBucket: {rate: 0.001, burst: 1}}]"))
	y.calls(1)
	for _, tt := range []struct{ rule, want string }{
		{"name: a, sharedBucket: {provider: flete, rate: 1}", `rule a: provider "flete" of a sharedBucket is not known: open the mesh with mesh.WithSharedLimits("flete", ...)`},
		{"name: b, rateLimitService: {provider: e, domain: d, descriptors: [{entries: [{key: k, value: v}]}]}", `rule b: provider "e" of a rateLimitService is not known: open the mesh with mesh.WithRateLimitService("e", ...)`},
	} {
		y.own(ownDoc("RateLimit", reviewsOnly+"rules: [{"+tt.rule+"}]"))
		if err := y.server.Status().Policy.Err; err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "z-own.yaml:2") {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		if got := y.calls(2); got[429] != 2 {
			t.Errorf("after a mistake: got %v, want the drained bucket of before", got)
		}
	}
}

// While the Redis is away each server has its part of the limit, and nobody waits.
func TestRemoteLimit_withoutRedis(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	client, err := redislimit.Connect(redislimit.Servers{Addrs: []string{nobody}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	provider, err := redislimit.NewProvider(client, redislimit.Config{Instances: 4})
	if err != nil {
		t.Fatal(err)
	}
	y := newYard(t, "http", noRetries, mesh.WithSharedLimits("fleet", provider))
	y.own(ownDoc("RateLimit", reviewsOnly+"rules: [{name: a, sharedBucket: {provider: fleet, rate: 0.001, burst: 12}}]"))
	if got := y.calls(8); got[200] != 3 || got[429] != 5 {
		t.Errorf("got %v, want a quarter of 12 answers", got)
	}
	if got := y.counted(y.server, "redislimit", false); got == 0 {
		t.Error("nothing tells that decisions were made without Redis")
	}
}
