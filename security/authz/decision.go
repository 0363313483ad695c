// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

// Decision is what an [Engine] says to a call, and why.
type Decision struct {
	Allowed bool
	// Action is of the policy that decided; it means nothing while Policy is "".
	Action Action
	// Policy, Rule and Origin name what decided: "default/viewer", "rules[2]", "authz.yaml:14".
	// They are "" where it was the absence of a match.
	Policy, Rule, Origin string
	// Reason is why, in words. It never holds anything of the call.
	Reason string
	// Failed says that there was no decision to be had, and so the call was refused.
	Failed bool
	// Audited is the first Audit policy that matched, nil: none did.
	Audited *Match
	// Shadow is what the answer would be, were the dry-run policies in force. nil: there
	// are none.
	Shadow *Shadow
	// Provider is whom the Custom policies would ask; it is set by [Engine.Explain] only,
	// which asks nobody.
	Provider string
	// Near are rules that did not match, those first that missed by least; set by
	// [Engine.Explain] only.
	Near []Near
}

// Match names a rule of a policy.
type Match struct{ Policy, Rule, Origin string }

// Shadow is the answer that a call would have got.
type Shadow struct {
	Allowed              bool
	Action               Action
	Policy, Rule, Origin string
	Reason               string
}

// Near is a rule that did not match a call.
type Near struct {
	Match
	Action Action
	DryRun bool
	Why    string // the first part that did not match: `to[0].paths is none of "/a", "/b/*"`
}

// The reasons.
const (
	reasonDenied     = "a DENY policy matches"
	reasonAllowed    = "an ALLOW policy matches"
	reasonNoAllow    = "no ALLOW policy matches"
	reasonNoPolicy   = "no ALLOW policy is there"
	reasonDefault    = "no ALLOW policy is there, and the default is to deny"
	reasonRefused    = "the provider of a CUSTOM policy refuses"
	reasonNoAnswer   = "the provider of a CUSTOM policy gives no answer"
	reasonPanic      = "the decision failed: panic"
	reasonCallerGone = "the caller is gone"
)
