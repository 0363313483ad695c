// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// Service is the rules of one VirtualService.
type Service struct {
	Hosts     []string // the keys it is in force for; wildcards such as "*.example.com" may be
	Name      string   // metadata.name
	Namespace string
	Origin    string  // file:line
	Rules     []*Rule // the first that matches decides; a call that none matches has no route
	Left      []Left  // rules that are not in force in this process
}

// Left is a rule, or a match of one, that was loaded and is not in force in this process.
type Left struct {
	Before int    // the place of a rule: in front of Rules[Before]; 0 for a match
	Name   string // "": it has none
	Origin string // file:line
	Why    string
}

// leave notes a rule that is left out where the next one would stand.
func (s *Service) leave(name, origin, why string) {
	s.Left = append(s.Left, Left{len(s.Rules), name, origin, why})
}

// Rule is one rule: which calls it is for, where they go, and how.
type Rule struct {
	Name     string // the rule's own, else the VirtualService's and the rule's number: "reviews-0"
	Origin   string // file:line
	Delegate string // file:line of the rule that delegates to this one; "": none does
	Match    []*route.Match
	// MatchOrigins is the file:line of each Match; two, with a comma between, where a
	// delegate's was narrowed by one above.
	MatchOrigins []string
	Left         []Left          // matches that are for no call of this process
	Split        []Target        // at least one, unless Redirect or Direct is set
	Redirect     *route.Redirect // instead of Split: where callers are sent
	Direct       *route.Direct   // instead of Split: what calls are answered with
	Headers      route.Headers   // edits for whatever target is chosen
	Rewrite      route.Rewrite   // of the path; an authority is among Headers
	Mirrors      []Mirror        // where copies go beside; shares of 0 are left out
	Timeout      time.Duration   // of the call, with its retries and backoffs; 0: none
	PerTry       time.Duration   // of one attempt; 0: none
	Retry        retry.Config    // MaxAttempts 1: never
	// RemoteAfter is how many attempts are made before others leave out the localities
	// that these were made in, as balance.LocalityConfig has it; 0: none do.
	RemoteAfter int
	Fault       fault.Config // the zero value: none
	CORS        *route.CORS  // for calls from browsers, made and served; nil: none
	Trial       *Trial       // what of all that is in shadow; nil: nothing
	Document    string       // "VirtualService default/reviews"

	all *route.Match // one that holds for every call; nil: none does
}

// Target is one of the places that a rule's calls go to.
type Target struct {
	enmesh.Destination               // Service is a key
	Weight             uint32        // share; never 0
	Headers            route.Headers // edits for this target, after the rule's
}

// Mirror is a place that copies of a rule's calls go to.
type Mirror struct {
	enmesh.Destination        // Service is a key
	Share              uint32 // of the calls, in parts per million
}

// Matches reports whether a call is for the rule: it has no matches, or one of them
// holds. It gives the match, or nil.
func (r *Rule) Matches(c *enmesh.Call) (m *route.Match, ok bool) {
	if len(r.Match) == 0 {
		return nil, true
	}
	for _, m := range r.Match {
		if m.Matches(c) {
			return m, true
		}
	}
	return nil, false
}

// RouteName is the name of the route of calls that m, one of the rule's matches or nil,
// takes: the rule's name, then that of the match after a dot if it has one.
func (r *Rule) RouteName(m *route.Match) string {
	if m == nil || m.Name == "" {
		return r.Name
	}
	return r.Name + "." + m.Name
}

// Find is the first rule for a call, or nil when it has no route.
func (s *Service) Find(c *enmesh.Call) *Rule {
	for _, r := range s.Rules {
		if _, ok := r.Matches(c); ok {
			return r
		}
	}
	return nil
}

// DefaultRetry is what Istio does where no rule speaks of retries: two more
// attempts, after failures that never reached the application and gRPC's
// UNAVAILABLE and CANCELLED.
func DefaultRetry() retry.Config {
	return retry.Config{MaxAttempts: 3, On: retry.DefaultOn()}
}
