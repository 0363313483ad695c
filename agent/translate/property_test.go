// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	clusterpb "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// Each load holds so many random policies of each of three kinds, for so many services.
const perLoad = 10

// TestCatalog_isNeverRejected is a property: whatever the policy, grpc-go takes all that is
// made of it. Ten thousand are judged, and fewer under the race detector: make full-size.
func TestCatalog_isNeverRejected(t *testing.T) {
	most := 10_000
	if raced || testing.Short() {
		most = 600
	}
	const seed = 20261121
	random := &writer{Rand: rand.New(rand.NewPCG(seed, 1))}
	j := newJudge(t)
	c, registry := open(t, translate.Config{Certificates: "default", LoadReports: true}, "")
	refused, loads, judged := 0, 0, 0
	for ; judged < most && refused <= most/(3*perLoad); loads++ {
		text := random.policies()
		s, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(text)}})
		if err != nil {
			refused++
			if refused < 3 {
				t.Logf("load %d is refused: %v", loads, err)
			}
			continue
		}
		var names []string
		for i := range perLoad {
			registry.Set(fmt.Sprintf("s%d", i), random.instances()...)
			names = append(names, fmt.Sprintf("s%d:%d", i, 80+random.IntN(2)))
		}
		names = append(names, "grpc/server?xds.resource.listening_address=127.0.0.1:80", "xds.istio.io/grpc/lds/inbound/[::1]:8080")
		c.SetPolicy(s)
		n := &agentxds.Node{Client: random.one("gRPC Go", "gRPC C-core", "gRPC Node Pure JS"), Region: random.one("eu", "us"), Zone: random.one("a", "b"), Labels: map[string]string{"app": "web"}}
		for kind, resources := range everything(t, c, n, names...) {
			if nack := j.say(t, kind, resources); nack != "" {
				t.Fatalf("load %d: %v is rejected: %s\n%s", loads, kind, nack, text)
			}
		}
		judged += 3 * perLoad
	}
	t.Logf("%d policies are judged, in %d loads of which %d are refused by package policy", judged, loads, refused)
	if judged < most {
		t.Errorf("%d policies are judged, want %d", judged, most)
	}
	if refused > loads/10 {
		t.Errorf("%d of %d loads are refused: the writer writes nonsense", refused, loads)
	}
}

// TestJudge_rejects sees that the judge of the test above is one.
func TestJudge_rejects(t *testing.T) {
	j := newJudge(t)
	bad, err := anypb.New(&clusterpb.Cluster{Name: "bad", LbPolicy: clusterpb.Cluster_MAGLEV})
	if err != nil {
		t.Fatal(err)
	}
	if nack := j.say(t, agentxds.Cluster, []*anypb.Any{bad}); nack == "" {
		t.Error("a cluster with MAGLEV is accepted")
	}
	if nack := j.say(t, agentxds.Cluster, nil); nack != "" {
		t.Errorf("what is good is rejected: %s", nack)
	}
}

// writer writes random policy.
type writer struct {
	*rand.Rand
	strings.Builder
}

func (w *writer) one(of ...string) string { return of[w.IntN(len(of))] }

func (w *writer) chance(percent int) bool { return w.IntN(100) < percent }

func (w *writer) add(format string, args ...any) { fmt.Fprintf(&w.Builder, format, args...) }

func (w *writer) policies() string {
	w.Reset()
	for i := range perLoad {
		w.destinationRule(i)
		w.virtualService(i)
		w.authorization(i)
	}
	if w.chance(50) {
		w.add("---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec: {mtls: {mode: %s}}\n", w.one("STRICT", "DISABLE", "PERMISSIVE"))
	}
	return w.String()
}

func (w *writer) stringMatch() string {
	return w.one(`{exact: "a"}`, `{prefix: "ab"}`, `{regex: "a|b.*"}`, `{regex: "(?i)x[^y]*"}`, `{exact: ""}`, `{regex: ".*"}`, `{regex: "*"}`, `{regex: "(?m)^a$"}`)
}

func (w *writer) virtualService(i int) {
	w.add("---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v%d}\nspec:\n  hosts: [s%d]\n  http:\n", i, i)
	for range 1 + w.IntN(3) {
		w.add("  - match:\n")
		for range 1 + w.IntN(2) {
			w.add("    - name: m%d\n", w.IntN(9))
			if w.chance(60) {
				w.add("      uri: %s\n      ignoreUriCase: %t\n", w.one(`{exact: "/a.B/C"}`, `{prefix: "/a.B/"}`, `{prefix: ""}`, `{regex: "/a\\..*"}`, `{exact: "/"}`), w.chance(50))
			}
			for _, field := range []string{"headers", "withoutHeaders", "queryParams"} {
				if !w.chance(30) {
					continue
				}
				w.add("      %s:\n", field)
				for _, name := range []string{"x-a", "x-b", "user-agent", "k-bin"}[:1+w.IntN(4)] {
					w.add("        %s: %s\n", name, w.stringMatch())
				}
			}
			if w.chance(20) {
				w.add("      method: %s\n", w.one("{exact: POST}", "{exact: GET}"))
			}
			if w.chance(20) {
				w.add("      authority: {prefix: s}\n      port: 80\n")
			}
		}
		w.action(i)
	}
	w.add("  - name: rest\n")
	w.action(i)
}

func (w *writer) action(i int) {
	switch w.IntN(10) {
	case 0:
		w.add("    redirect: {uri: /x}\n")
		return
	case 1:
		w.add("    directResponse: {status: %s}\n", w.one("503", "200"))
		return
	}
	w.add("    route:\n")
	for range 1 + w.IntN(3) {
		w.add("    - destination: {host: s%d%s%s}\n      weight: %s\n", i, w.one("", ", subset: v1", ", subset: v2"), w.one("", ", port: {number: 80}"), w.one("1", "100", "1000000000"))
	}
	if w.chance(40) {
		w.add("    timeout: %s\n", w.one("1ms", "1s", "100h"))
	}
	if w.chance(50) {
		w.add("    retries: {attempts: %s, retryOn: %q%s}\n", w.one("1", "2", "10"), w.one("5xx", "unavailable,internal,503", "", "cancelled"), w.one("", ", perTryTimeout: 1s", ", backoff: 1ms"))
	}
	if w.chance(30) {
		w.add("    fault:\n      delay: {fixedDelay: 1ms, percentage: {value: %s}}\n      abort: {%s, percentage: {value: %s}}\n", w.one("0.0001", "100"), w.one("httpStatus: 200", "httpStatus: 503", "grpcStatus: ABORTED"), w.one("0", "50.5", "100"))
	}
	if w.chance(20) {
		w.add("    rewrite: {authority: other}\n    headers: {request: {set: {x: y}}}\n    mirrors: [{destination: {host: s0}, percentage: {value: 5}}]\n")
	}
}

func (w *writer) destinationRule(i int) {
	w.add("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d%d%s}\nspec:\n  host: s%d\n  subsets:\n  - {name: v1, labels: {version: v1}}\n  - name: v2\n    labels: {version: v2}\n    trafficPolicy:\n",
		i, w.one("", ", annotations: {enmesh.dev/load-balancer: PEAK_EWMA}", ", annotations: {enmesh.dev/load-balancer: PICK_FIRST}"), i)
	w.traffic("      ")
	w.add("  trafficPolicy:\n")
	w.traffic("    ")
}

func (w *writer) traffic(indent string) {
	line := func(format string, args ...any) { w.add(indent+format+"\n", args...) }
	which := w.IntN(4)
	if which < 3 {
		line("loadBalancer:")
	}
	switch which {
	case 3:
	case 0:
		line("  simple: %s", w.one("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "PASSTHROUGH"))
	case 1:
		line("  consistentHash: {%s%s}", w.one("httpHeaderName: x-user", "useSourceIp: true", "httpQueryParameterName: q", "httpCookie: {name: c, ttl: 1s}"), w.one("", ", ringHash: {minimumRingSize: 5}", ", ringHash: {minimumRingSize: 8388608}", ", maglev: {tableSize: 65537}"))
	default:
		line("  localityLbSetting: %s", w.one("{failover: [{from: eu, to: us}]}", `{distribute: [{from: "eu/*", to: {"eu/a": 70, "us": 30}}]}`, "{failoverPriority: [version, topology.kubernetes.io/region]}", "{enabled: false}"))
	}
	if w.chance(60) {
		line("outlierDetection: {consecutive5xxErrors: %s, interval: %s, baseEjectionTime: %s, maxEjectionPercent: %s}", w.one("0", "1", "5"), w.one("1ms", "10s"), w.one("1s", "1h"), w.one("0", "10", "100"))
	}
	if w.chance(40) {
		line("connectionPool: {http: {http2MaxRequests: %s}, tcp: {connectTimeout: 1s}}", w.one("0", "1", "2147483647"))
	}
	if w.chance(50) {
		line("tls: %s", w.one("{mode: DISABLE}", "{mode: ISTIO_MUTUAL}", "{mode: ISTIO_MUTUAL, subjectAltNames: ['spiffe://cluster.local/ns/default/sa/x']}", "{mode: SIMPLE}"))
	}
}

func (w *writer) authorization(i int) {
	action := w.one("ALLOW", "DENY", "AUDIT", "CUSTOM")
	w.add("---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a%d}\nspec:\n  action: %s\n", i, action)
	if action == "CUSTOM" {
		w.add("  provider: {name: x}\n")
	}
	w.add("  rules:\n")
	for range 1 + w.IntN(3) {
		switch w.IntN(5) {
		case 0:
			w.add("  - {}\n")
			continue
		case 1:
			w.add("  - when: [{key: %q, %s: [%s]}]\n", w.one("request.headers[x-a]", "source.namespace", "source.principal", "connection.sni", "request.auth.claims[iss]"), w.one("values", "notValues"), w.one(`"a*"`, `"*a"`, `"*"`))
			continue
		}
		w.add("  - from: [{source: {%s: [%s]}}]\n    to: [{operation: {%s: [%s]}}]\n",
			w.one("principals", "notPrincipals", "namespaces", "notNamespaces", "requestPrincipals"), w.one(`"*"`, `"a*"`, `"*a"`),
			w.one("paths", "notPaths"), w.one(`"/a.B/C"`, `"/a*"`, `"*"`, `"*/C"`, `"/a/{*}/c"`, `"/a/{**}"`))
		switch w.IntN(4) {
		case 0:
			w.add("    when: [{key: %q, values: [%s]}]\n", w.one("source.ip", "remote.ip", "destination.ip"), w.one(`"10.0.0.1"`, `"10.0.0.0/8"`, `"::1"`, `"fe80::/10"`))
		case 1:
			w.add("    when: [{key: destination.port, values: ['80']}, {key: 'request.headers[host]', notValues: ['a.b', '*.b:80']}]\n")
		}
	}
}

func (w *writer) instances() []discovery.Endpoint {
	var out []discovery.Endpoint
	for range w.IntN(8) {
		out = append(out, discovery.Endpoint{
			Addrs:          []string{w.one("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "[::1]:80", "[::ffff:10.0.0.1]:80", "name:80", "10.0.0.9:0")},
			Weight:         [...]uint32{0, 1, 100, 1<<32 - 1}[w.IntN(4)],
			Priority:       uint32(w.IntN(3) * 2),
			Locality:       discovery.Locality{Region: w.one("", "eu", "us"), Zone: w.one("", "a", "b\xff")},
			Labels:         map[string]string{"version": w.one("v1", "v2")},
			Namespace:      "default",
			ServiceAccount: w.one("", "x"),
			Draining:       w.chance(10),
			Unconfirmed:    w.chance(20),
		})
		if w.chance(20) {
			e := &out[len(out)-1]
			e.Addrs = append(e.Addrs, "[::2]:80")
		}
	}
	return out
}
