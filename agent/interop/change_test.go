// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestPolicyChangesUnderLoad changes all that policy says while calls go on: none may fail.
func TestPolicyChangesUnderLoad(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p := versions(t, splitting)
		c := p.client(l, "echo:7070")
		eventually(t, "both versions are reached", func() bool { return len(c.calls(30, unary).who()) == 2 })
		c.do(order{Do: "begin", Every: 5, Method: unary})
		for end, i := time.Now().Add(ledger.Short(time.Minute)), 0; i < 12 || time.Now().Before(end); i++ {
			documents, want := changes(i)
			p.policy(documents)
			settled(t, c, "change "+strconv.Itoa(i), want, []string{unary, "probe", "yes"})
		}
		got := ends(c.do(order{Do: "stop"}).Calls)
		if got.failed() > 0 || len(got) < 50 {
			t.Errorf("policy changed under load: %v", got)
		}
		t.Logf("%d calls, %d failed", len(got), got.failed())
	})
}

// changes is the i-th policy, and whom it sends calls with the header "probe" to.
func changes(i int) (documents, want string) {
	want = "v" + strconv.Itoa(1+i%2)
	weight := 10 * (i % 10)
	balancer := []string{"ROUND_ROBIN", "LEAST_REQUEST"}[i/2%2]
	documents = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
  - match: [{headers: {probe: {exact: "yes"}}}]
    timeout: ` + strconv.Itoa(20+i%5) + `s
    retries: {attempts: ` + strconv.Itoa(1+i%3) + `, retryOn: unavailable}
    route: [{destination: {host: echo, subset: ` + want + `}}]
  - timeout: ` + strconv.Itoa(20+i%7) + `s
    route:
    - {destination: {host: echo, subset: v1}, weight: ` + strconv.Itoa(weight) + `}
    - {destination: {host: echo, subset: v2}, weight: ` + strconv.Itoa(100-weight) + `}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo
  trafficPolicy:
    loadBalancer: {simple: ` + balancer + `}
    connectionPool: {http: {http2MaxRequests: ` + strconv.Itoa(1000+i) + `}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`
	return documents, want
}

// TestAgentIsAway ends the agent under load, and starts it again while the registry says
// nothing any more: it serves what it knew, and no call fails.
func TestAgentIsAway(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p := run(t, func(cfg *agent.Config) { cfg.SnapshotDir = t.TempDir() })
		p.policy(splitting + "\n---" + subsets)
		p.registry.Set("echo", serve(t, "v1").at("version", "v1"), serve(t, "v2").at("version", "v2"))
		c := p.client(l, "echo:7070")
		eventually(t, "both versions are reached", func() bool { return len(c.calls(30, unary).who()) == 2 })
		c.do(order{Do: "begin", Every: 10, Method: unary})
		p.end()
		<-time.After(ledger.Short(time.Minute) / 3)
		p.cfg.Resolver = silent{}
		p.open()
		eventually(t, "the client is back, and has all", func() bool {
			clients := p.Status().Clients
			return len(clients) == 1 && clients[0].Accepted >= 6 && clients[0].Accepted == len(clients[0].Resources)
		})
		p.policy(routed(`{headers: {probe: {exact: "yes"}}}`) + "\n---" + subsets)
		settled(t, c, "a change is heard", "v2", []string{unary, "probe", "yes"})
		got := ends(c.do(order{Do: "stop"}).Calls)
		if got.failed() > 0 || len(got) < 50 {
			t.Errorf("the agent was away: %v", got)
		}
		t.Logf("%d calls, %d failed", len(got), got.failed())
	})
}

// silent is a registry that does not answer.
type silent struct{}

// Watch implements discovery.Resolver.
func (silent) Watch(ctx context.Context, _ string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(func([]discovery.Endpoint, error) bool) { <-ctx.Done() }
}
