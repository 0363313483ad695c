// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import "time"

// Explanation is what would become of a call, and why. It has what the one who asked said
// of the call, and so may hold what is secret there.
type Explanation struct {
	Call    string `json:"call"`    // "GET http://reviews/x", "grpc /shop.Reviews/Get of reviews"
	Service string `json:"service"` // the key of the host that is called
	Version string `json:"version"` // of the policy; "" without any

	// VirtualService is the document with the host's rules, "VirtualService default/reviews";
	// "" where none names the host.
	VirtualService string `json:"virtual_service,omitempty"`
	Origin         string `json:"origin,omitempty"`  // its file:line
	Pattern        string `json:"pattern,omitempty"` // which of its hosts it was found by

	// Route is the name of the call's route, as telemetry has it; "default" where no
	// VirtualService names the host, "no route" where none of its rules takes the call.
	Route   string        `json:"route"`
	Skipped []SkippedRule `json:"skipped,omitempty"` // the rules before, that did not take the call
	Rule    *TakenRule    `json:"rule,omitempty"`    // nil: no rule takes the call, or there are none

	// Result is what becomes of the call: "route", "redirect", "direct response", "refused"
	// or "passthrough". Where it is split, the destinations may differ: see there.
	Result Result `json:"result"`
	// Actions is what the rule does to calls besides, one line each, as "timeout: 3s".
	Actions []string `json:"actions,omitempty"`
	// Destinations are where calls go, by weight; none where the call is answered here.
	Destinations []ExplainedDestination `json:"destinations,omitempty"`
	Notes        []string               `json:"notes,omitempty"` // what is not in this answer
}

// Result is how a call is dealt with.
type Result struct {
	Kind   string `json:"kind"`             // see Explanation
	Status int    `json:"status,omitempty"` // of an answer or a refusal; 0: there is none of our own
	Flag   string `json:"flag,omitempty"`   // of a refusal: NR, NC, UH
	Text   string `json:"text,omitempty"`   // the address of a redirect, the body's beginning, why it is refused
}

// The kinds of a Result.
const (
	ResultRoute       = "route"
	ResultRedirect    = "redirect"
	ResultDirect      = "direct response"
	ResultRefused     = "refused"
	ResultPassthrough = "passthrough"
)

// SkippedRule is a rule that does not take the call.
type SkippedRule struct {
	Name     string    `json:"name,omitempty"`
	Origin   string    `json:"origin"`             // file:line
	Delegate string    `json:"delegate,omitempty"` // file:line of the rule that delegates to it
	Reasons  []Skipped `json:"reasons"`            // one for each of its matches
}

// Skipped is why one match does not take the call.
type Skipped struct {
	Origin string `json:"origin"`          // file:line; two where a delegate's match was narrowed
	Match  string `json:"match,omitempty"` // its name
	Why    string `json:"why"`             // "uri: want prefix /v2, have /v1"
}

// TakenRule is the rule that takes the call.
type TakenRule struct {
	Origin   string `json:"origin"`             // file:line
	Delegate string `json:"delegate,omitempty"` // file:line of the rule that delegates to it
	Match    string `json:"match,omitempty"`    // file:line of the match; "": it has none
}

// ExplainedDestination is one place that calls may go to.
type ExplainedDestination struct {
	Destination string  `json:"destination"` // "service:port/subset": the cluster's key
	Weight      uint32  `json:"weight"`
	Share       float64 `json:"share"` // of the rule's calls, 0 to 1
	Result      Result  `json:"result"`

	Sources []string `json:"sources,omitempty"` // DestinationRules that hold: "trafficPolicy file:line"
	// Policies are the documents of enmesh's own kinds that hold, outermost first: "Hedge
	// default/reviews file:line", then " (shadow)" for those that only count.
	Policies  []string `json:"policies,omitempty"`
	Algorithm string   `json:"algorithm,omitempty"` // as the pickers name it; "" while no endpoint is known
	Key       string   `json:"key,omitempty"`       // what the consistent hash goes by

	Tiers      []ExplainedTier `json:"tiers,omitempty"`
	Candidates []Candidate     `json:"candidates"`
	Omitted    int             `json:"omitted,omitempty"` // candidates that are not listed
}

// ExplainedTier is the health of one tier of endpoints.
type ExplainedTier struct {
	Load    float64 `json:"load"` // its share of first attempts, 0 to 1
	Healthy int     `json:"healthy"`
	Total   int     `json:"total"`
	Panic   bool    `json:"panic,omitempty"` // health is left aside
}

// Candidate is an endpoint of a destination.
type Candidate struct {
	Addr      string            `json:"addr"`
	Locality  string            `json:"locality,omitempty"` // "region/zone/sub-zone"
	Labels    map[string]string `json:"labels,omitempty"`   // not to be written
	Tier      int               `json:"tier"`               // -1: of none
	Weight    uint32            `json:"weight"`
	Effective float64           `json:"effective_weight"` // with slow start and the share of its locality
	InFlight  int64             `json:"in_flight"`
	Latency   time.Duration     `json:"latency_ns,omitempty"` // peak EWMA; 0: not known
	Connected int               `json:"connected"`            // of gRPC's connections; -1: not known
	Health    string            `json:"health"`               // "healthy", or what speaks against it
	Score     string            `json:"score,omitempty"`      // what the algorithm goes by
	Share     float64           `json:"share"`                // of the destination's calls, 0 to 1; -1: depends on other calls
	Eligible  bool              `json:"eligible"`
	Why       string            `json:"why,omitempty"` // why not, or what is unusual
}
