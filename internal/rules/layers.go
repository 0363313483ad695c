// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import "strings"

// Layer says what the packages of one part of the tree may import. Paths are relative
// to the module, "." is its root, and a pattern ending in "/..." covers the directory
// before it and all below, as in the go command.
type Layer struct {
	Rule    string   // the rule in one sentence, quoted when it is broken
	Of      []string // the packages that the layer covers
	StdOnly bool     // nothing but the standard library and what May lists
	May     []string // our packages that it may import; "^" is each parent directory of the importer
	Not     []string // exceptions from May
	Any     bool     // no limit
}

// heavyKinds are policies and sources with heavy neighbours: a program hands them in.
var heavyKinds = []string{
	"limit/rls/...", "limit/redislimit/...", "security/spiffe/...", "security/ca/connect/...",
	"security/authz/extgrpc/...", "security/authz/intentions/...",
}

// Layers is checked from the top: the first layer that covers a package holds for it.
var Layers = []Layer{
	{
		Rule:    "the core imports the standard library only",
		Of:      []string{"."},
		StdOnly: true,
	},
	{
		Rule:    "internal packages import the standard library only",
		Of:      []string{"internal/..."},
		StdOnly: true,
	},
	{
		Rule:    "discovery imports the standard library and nothing of ours",
		Of:      []string{"discovery"},
		StdOnly: true,
	},
	{
		Rule: "a registry under discovery imports discovery only",
		Of:   []string{"discovery/..."},
		May:  []string{"discovery", "^"},
	},
	{
		Rule: "balance imports enmesh and discovery",
		Of:   []string{"balance"},
		May:  []string{".", "discovery", "internal/..."},
	},
	{
		Rule: "a part of balance imports enmesh, discovery and balance, and no other part",
		Of:   []string{"balance/..."},
		May:  []string{".", "discovery", "internal/...", "balance/internal/...", "^"},
	},
	{
		Rule: "policies import enmesh and their own parent, never each other: they meet only in a chain",
		Of:   []string{"resilience/...", "limit/...", "telemetry/...", "security/..."},
		May:  []string{".", "internal/...", "^"},
	},
	{
		Rule: "the adapters import enmesh and balance, never a policy, never each other",
		Of:   []string{"meshhttp/...", "meshgrpc/..."},
		May:  []string{".", "balance", "discovery", "internal/...", "^"},
	},
	{
		Rule: "policy compiles to the packages below it; kinds with heavy neighbours are handed in by the program",
		Of:   []string{"policy/..."},
		May: []string{".", "internal/...", "discovery", "balance/...", "resilience/...", "limit/...",
			"telemetry/...", "security/...", "policy/..."},
		Not: heavyKinds,
	},
	{
		Rule: "mesh assembles what is below it and imports no adapter and nothing with heavy neighbours",
		Of:   []string{"mesh/..."},
		May: []string{".", "internal/...", "discovery/...", "balance/...", "resilience/...", "limit/...",
			"telemetry/...", "security/...", "policy/...", "mesh/..."},
		Not: append([]string{"discovery/consul/..."}, heavyKinds...),
	},
	{
		Rule: "the kit imports enmesh, balance and discovery only",
		Of:   []string{"enmeshtest/..."},
		May:  []string{".", "balance", "discovery", "internal/...", "^"},
	},
	{
		Rule: "the agent imports the library, not the programs and not the kit",
		Of:   []string{"agent/..."},
		May: []string{".", "internal/...", "discovery/...", "balance/...", "resilience/...", "limit/...", "telemetry/...",
			"security/...", "policy/...", "mesh/...", "meshhttp/...", "meshgrpc/...", "agent/..."},
	},
	{
		Rule: "programs import anything",
		Of:   []string{"cmd/...", "examples/...", "bench/..."},
		Any:  true,
	},
}

// Neighbour is a dependency that is too heavy, or too particular, for everybody.
type Neighbour struct {
	Name string   // for messages
	Of   []string // its packages, as path prefixes
	In   []string // our packages that may import it themselves
	Near []string // our packages that may have it in their closure, beside those of In
}

// Programs may have anything: they are whole, and compose what the library keeps apart.
var programs = []string{"cmd/...", "examples/...", "bench/..."}

// Neighbours is checked twice for each row: nobody outside In (and examples) imports
// the dependency, and nobody outside In, Near and the programs reaches it at all. So a
// user of meshhttp, or of mesh, compiles no gRPC.
var Neighbours = []Neighbour{
	{
		Name: "gRPC",
		Of:   []string{"google.golang.org/grpc"},
		In:   []string{"meshgrpc/...", "agent/...", "limit/rls/...", "security/spiffe/...", "security/authz/extgrpc/..."},
	},
	{
		Name: "Envoy's protobufs",
		Of:   []string{"github.com/envoyproxy/go-control-plane", "github.com/cncf/xds", "github.com/cncf/udpa"},
		In:   []string{"agent/...", "limit/rls/...", "security/authz/extgrpc/..."},
	},
	{
		Name: "Consul's client",
		Of:   []string{"github.com/hashicorp/consul"},
		In:   []string{"discovery/consul/...", "security/ca/connect/...", "security/authz/intentions/..."},
		Near: []string{"agent/..."},
	},
	{
		Name: "Redis",
		Of:   []string{"github.com/redis/go-redis"},
		In:   []string{"limit/redislimit/..."},
		Near: []string{"agent/..."},
	},
	{
		Name: "Istio's API",
		Of:   []string{"istio.io/api", "istio.io/client-go", "istio.io/istio"},
		In:   []string{"policy/..."},
		Near: []string{"mesh/...", "agent/..."},
	},
}

// covers reports whether one of the patterns covers the package rel.
func covers(patterns []string, rel string) bool {
	for _, pattern := range patterns {
		if dir, tree := strings.CutSuffix(pattern, "/..."); rel == dir || tree && strings.HasPrefix(rel, dir+"/") {
			return true
		}
	}
	return false
}

// within reports whether path is one of the import paths or lies below it.
func within(prefixes []string, path string) bool {
	for _, prefix := range prefixes {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return true
		}
	}
	return false
}
