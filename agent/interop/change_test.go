// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"strconv"
	"testing"

	"github.com/enmesh-go/enmesh/internal/ledger"
	"time"
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
