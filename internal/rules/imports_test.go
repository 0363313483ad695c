// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

// TestImports holds the module itself against the rules.
func TestImports(t *testing.T) {
	files(t)
	g, err := rules.LoadGraph(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Own()) < 2 {
		t.Fatalf("packages of the module: got %q, want the root and this one at least", g.Own())
	}
	report(t, rules.CheckImports(g))
}

const (
	grpc   = "google.golang.org/grpc"
	envoy  = "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	consul = "github.com/hashicorp/consul/api"
	redis  = "github.com/redis/go-redis/v9"
	istio  = "istio.io/api/networking/v1"
)

// graph makes a Graph of lines "from: to to"; a name without a dot in its first
// element and without the prefix std/ is a package of ours, "." the root.
func graph(lines ...string) *rules.Graph {
	g := &rules.Graph{Module: "example.org/m", Packages: map[string]*rules.Package{}}
	for _, line := range lines {
		from, to, _ := strings.Cut(line, ":")
		p := g.Packages[importPath(from)]
		if p == nil {
			p = &rules.Package{ImportPath: importPath(from), Standard: strings.HasPrefix(from, "std/")}
			g.Packages[p.ImportPath] = p
		}
		for name := range strings.FieldsSeq(to) {
			p.Imports = append(p.Imports, importPath(name))
		}
	}
	return g
}

func importPath(name string) string {
	first, _, _ := strings.Cut(name, "/")
	switch {
	case name == ".":
		return "example.org/m"
	case first == "std":
		return strings.TrimPrefix(name, "std/")
	case strings.Contains(first, "."):
		return name
	}
	return "example.org/m/" + name
}

func TestCheckImports_acceptsTheArchitecture(t *testing.T) {
	got := rules.CheckImports(graph(
		".: std/context",
		"internal/ring: std/sync",
		"discovery: std/iter",
		"discovery/file: discovery github.com/fsnotify/fsnotify",
		"discovery/consul: discovery "+consul,
		"balance: . discovery internal/ring",
		"balance/route: . balance",
		"resilience: .",
		"resilience/retry: . resilience internal/ring",
		"limit: . golang.org/x/time/rate",
		"limit/rls: . limit "+grpc+" "+envoy,
		"limit/redislimit: . limit "+redis,
		"telemetry: . github.com/prometheus/client_golang/prometheus",
		"security/mtls: . security",
		"security: github.com/spiffe/go-spiffe/v2/spiffeid",
		"meshhttp: . balance discovery std/net/http",
		"meshgrpc: . balance meshgrpc/internal/wire "+grpc,
		"meshgrpc/internal/wire: "+grpc,
		"policy: . balance/route resilience/retry security/mtls "+istio,
		"mesh: . policy balance discovery/file security/mtls telemetry",
		"enmeshtest: . balance discovery",
		"agent: mesh policy discovery "+grpc+" "+envoy,
		"cmd/enmesh: agent mesh discovery/consul limit/redislimit",
		"examples/bookinfo: mesh meshhttp meshgrpc enmeshtest "+grpc+" "+consul,
	))
	wantProblems(t, got, nil)
}

// Every rule is broken once, and each broken edge is named.
func TestCheckImports_namesBrokenEdges(t *testing.T) {
	const (
		core     = "the core imports the standard library only"
		inner    = "internal packages import the standard library only"
		disc     = "discovery imports the standard library and nothing of ours"
		registry = "a registry under discovery imports discovery only"
		bal      = "balance imports enmesh and discovery"
		part     = "a part of balance imports enmesh, discovery and balance, and no other part"
		pol      = "policies import enmesh and their own parent, never each other: they meet only in a chain"
		adapter  = "the adapters import enmesh and balance, never a policy, never each other"
		compile  = "policy compiles to the packages below it; kinds with heavy neighbours are handed in by the program"
		root     = "mesh assembles what is below it and imports no adapter and nothing with heavy neighbours"
		kit      = "the kit imports enmesh, balance and discovery only"
		agents   = "the agent imports the library, not the programs and not the kit"
		noGRPC   = "gRPC stays in meshgrpc/..., agent/..., limit/rls/..., security/spiffe/..., security/authz/extgrpc/..."
		noEnvoy  = "Envoy's protobufs stays in agent/..., limit/rls/..., security/authz/extgrpc/..."
		without  = ": it must compile without "
	)
	tests := []struct {
		name  string
		graph []string
		want  []string
	}{
		{"core imports ours", []string{".: internal/ring"}, []string{"example.org/m imports internal/ring: " + core}},
		{"core imports others", []string{".: golang.org/x/time/rate"}, []string{"example.org/m imports golang.org/x/time/rate: " + core}},
		{"internal imports core", []string{"internal/ring: ."}, []string{"internal/ring imports example.org/m: " + inner}},
		{"internal imports others", []string{"internal/ring: go.uber.org/goleak"}, []string{"internal/ring imports go.uber.org/goleak: " + inner}},
		{"discovery imports core", []string{"discovery: ."}, []string{"discovery imports example.org/m: " + disc}},
		{"discovery imports others", []string{"discovery: github.com/fsnotify/fsnotify"}, []string{"discovery imports github.com/fsnotify/fsnotify: " + disc}},
		{"registry imports core", []string{"discovery/file: ."}, []string{"discovery/file imports example.org/m: " + registry}},
		{"registry imports registry", []string{"discovery/consul: discovery/dns"}, []string{"discovery/consul imports discovery/dns: " + registry}},
		{"balance imports a part", []string{"balance: balance/route"}, []string{"balance imports balance/route: " + bal}},
		{"part imports part", []string{"balance/health: balance/outlier"}, []string{"balance/health imports balance/outlier: " + part}},
		{"policies import each other", []string{"resilience/retry: resilience/breaker"}, []string{"resilience/retry imports resilience/breaker: " + pol}},
		{"policy groups import each other", []string{"limit: telemetry"}, []string{"limit imports telemetry: " + pol}},
		{"parent imports child", []string{"security: security/mtls"}, []string{"security imports security/mtls: " + pol}},
		{"resilience imports balance", []string{"resilience/hedge: balance"}, []string{"resilience/hedge imports balance: " + pol}},
		{"adapter imports policy", []string{"meshhttp: resilience/retry"}, []string{"meshhttp imports resilience/retry: " + adapter}},
		{"adapter imports adapter", []string{"meshgrpc: meshhttp"}, []string{"meshgrpc imports meshhttp: " + adapter}},
		{"adapter imports mesh", []string{"meshhttp: mesh"}, []string{"meshhttp imports mesh: " + adapter}},
		{"adapter imports a part of balance", []string{"meshhttp: balance/route"}, []string{"meshhttp imports balance/route: " + adapter}},
		{"policy imports mesh", []string{"policy: mesh"}, []string{"policy imports mesh: " + compile}},
		{"policy imports a heavy kind", []string{"policy: limit/rls"}, []string{"policy imports limit/rls: " + compile}},
		{"mesh imports adapter", []string{"mesh: meshhttp"}, []string{"mesh imports meshhttp: " + root}},
		{"mesh imports a heavy kind", []string{"mesh: limit/redislimit"}, []string{"mesh imports limit/redislimit: " + root}},
		{"mesh imports kit", []string{"mesh: enmeshtest"}, []string{"mesh imports enmeshtest: " + root}},
		{"kit imports adapter", []string{"enmeshtest: meshhttp"}, []string{"enmeshtest imports meshhttp: " + kit}},
		{"agent imports kit", []string{"agent: enmeshtest"}, []string{"agent imports enmeshtest: " + agents}},
		{"somebody imports mesh", []string{"telemetry/topology: mesh"}, []string{"telemetry/topology imports mesh: " + pol}},
		{"unknown part of the tree", []string{"helpers: ."}, []string{"helpers: no row of rules.Layers covers it: add one"}},
		{"gRPC in an HTTP adapter", []string{"meshhttp: " + grpc + "/codes"}, []string{"meshhttp imports " + grpc + "/codes: " + noGRPC}},
		{"gRPC in a command", []string{"cmd/enmesh: " + grpc}, []string{"cmd/enmesh imports " + grpc + ": " + noGRPC}},
		{"Envoy in the gRPC adapter", []string{"meshgrpc: " + envoy}, []string{"meshgrpc imports " + envoy + ": " + noEnvoy}},
		{"Consul outside", []string{"discovery/dns: " + consul}, []string{
			"discovery/dns imports " + consul + ": Consul's client stays in discovery/consul/..., security/ca/connect/..., security/authz/intentions/...",
		}},
		{"Redis outside", []string{"limit: " + redis}, []string{"limit imports " + redis + ": Redis stays in limit/redislimit/..."}},
		{"Istio outside", []string{"mesh: " + istio}, []string{"mesh imports " + istio + ": Istio's API stays in policy/..."}},
		{
			"gRPC through others",
			[]string{"mesh: telemetry", "telemetry: go.example/exporter", "go.example/exporter: " + grpc},
			[]string{
				"mesh reaches " + grpc + ", by mesh -> telemetry -> go.example/exporter -> " + grpc + without + "gRPC",
				"telemetry reaches " + grpc + ", by telemetry -> go.example/exporter -> " + grpc + without + "gRPC",
			},
		},
		{
			"Envoy through gRPC", []string{"meshgrpc: " + grpc + "/xds", grpc + "/xds: " + envoy},
			[]string{"meshgrpc reaches " + envoy + ", by meshgrpc -> " + grpc + "/xds -> " + envoy + without + "Envoy's protobufs"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantProblems(t, rules.CheckImports(graph(tt.graph...)), tt.want)
		})
	}
}
