// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// AuthzExplanation is whether a call to this process would be allowed, and by which rule
// of which file. It quotes policies, and of the call only what was asked for.
type AuthzExplanation struct {
	Call    string `json:"call"`   // "GET http://reviews/x", "grpc /shop.Reviews/Get"
	Caller  string `json:"caller"` // "spiffe://... from 10.0.0.1", with the end user if there is one
	Version string `json:"version,omitempty"`

	Allowed bool   `json:"allowed"`
	Action  string `json:"action,omitempty"` // of the policy that decides: ALLOW, DENY, CUSTOM
	Policy  string `json:"policy,omitempty"` // "shop/viewer"; "" where it is that none matches
	Rule    string `json:"rule,omitempty"`   // "rules[2]"
	Origin  string `json:"origin,omitempty"` // its file:line
	Reason  string `json:"reason"`

	// MTLS is what connections to the port must be: STRICT, PERMISSIVE, DISABLE; and
	// MTLSOrigin the file:line that says so, "" for the default.
	MTLS       string `json:"mtls"`
	MTLSOrigin string `json:"mtls_origin,omitempty"`

	Audited string      `json:"audited,omitempty"` // the AUDIT policy that matches, with its file:line
	DryRun  string      `json:"dry_run,omitempty"` // what policies in dry run would make of it; "": the same
	Near    []NearAuthz `json:"near,omitempty"`    // rules that do not match, nearest first
	Notes   []string    `json:"notes,omitempty"`   // what is not in this answer
}

// NearAuthz is a rule that does not match.
type NearAuthz struct {
	Action string `json:"action"`
	Policy string `json:"policy"`
	Rule   string `json:"rule"`
	Origin string `json:"origin"` // file:line
	Why    string `json:"why"`
}

// ExplainAuthz says whether a call to this process would be allowed, without making it: by
// which policy, rule, file and line, and of rules that do not match why not. It asks no
// Checker, and tells no audit. It fails on a query that means nothing.
func (m *Mesh) ExplainAuthz(ctx context.Context, q AuthzQuery) (AuthzExplanation, error) {
	in := m.served.current.Load()
	cfg := m.served.guard.authz(in.guarded.said)
	x, err := explainAuthz(ctx, in.guarded.said, cfg, in.guarded.engine, q)
	if err != nil {
		return x, err
	}
	x.Version = m.policies.inForce.Load().Version
	mode := m.modeOf(q.Port)
	x.transport(mode, &in.guarded.said, &q)
	if len(m.cfg.inbound) > 0 {
		x.note("the program's own middleware (WithInbound) may do more, and is not asked")
	}
	return x, nil
}

// ExplainAuthz says of a snapshot what [Mesh.ExplainAuthz] says of a mesh: for a process of
// the snapshot's Loader, with an identity in trustDomain and otherwise without options.
func ExplainAuthz(ctx context.Context, s *policy.Snapshot, trustDomain string, q AuthzQuery) (AuthzExplanation, error) {
	cfg := authz.Config{Policies: s.Security.Authorization, TrustDomain: trustDomain}
	x, err := explainAuthz(ctx, s.Security, cfg, nil, q)
	if err != nil {
		return x, err
	}
	x.Version = s.Version
	x.transport(s.Security.ModeOf(q.Port), &s.Security, &q)
	return x, nil
}

// explainAuthz asks an engine, or one that is made for the purpose.
func explainAuthz(ctx context.Context, s policy.Security, cfg authz.Config, engine *authz.Engine, q AuthzQuery) (AuthzExplanation, error) {
	var x AuthzExplanation
	if err := q.check(); err != nil {
		return x, err
	}
	if engine == nil {
		cfg.Checkers = map[string]authz.Checker{}
		for provider := range s.Providers() {
			cfg.Checkers[provider] = unasked{}
		}
		var err error
		if engine, err = authz.New(cfg); err != nil {
			return x, err
		}
	}
	c := &q.carrier().Call
	d := engine.Explain(ctx, c)
	x = AuthzExplanation{
		Call: servedText(c), Caller: callerText(&q, c), Allowed: d.Allowed, Policy: d.Policy, Rule: d.Rule, Origin: d.Origin, Reason: d.Reason,
	}
	if d.Policy != "" {
		x.Action = d.Action.String()
	}
	if a := d.Audited; a != nil {
		x.Audited = fmt.Sprintf("%s %s (%s)", a.Policy, a.Rule, a.Origin)
	}
	if sh := d.Shadow; sh != nil && sh.Allowed != d.Allowed {
		x.DryRun = strings.TrimSpace(fmt.Sprintf("%s: %s %s", verdictText(sh.Allowed), sh.Reason, matchText(sh.Policy, sh.Rule, sh.Origin)))
	}
	for _, n := range d.Near {
		x.Near = append(x.Near, NearAuthz{n.Action.String(), n.Policy, n.Rule, n.Origin, n.Why})
	}
	if d.Provider != "" {
		x.note("the provider " + d.Provider + " of a CUSTOM policy would be asked, and is taken to allow the call")
	}
	if len(s.Authentication) > 0 {
		x.note("a token that is there and not valid is refused before: see RequestAuthentication at " + s.Authentication[0].Origin)
	}
	return x, nil
}

// unasked stands for the Checkers that Explain does not ask.
type unasked struct{}

func (unasked) Check(context.Context, *enmesh.Call) error { return nil }

func (x *AuthzExplanation) note(s string) { x.Notes = append(x.Notes, s) }

// transport tells of the connection that the call would come by.
func (x *AuthzExplanation) transport(mode mtls.Mode, s *policy.Security, q *AuthzQuery) {
	x.MTLS = mode.String()
	_, x.MTLSOrigin, _ = s.Peers.Of(q.Port)
	switch {
	case mode == mtls.Strict && q.Principal == "":
		x.note("connections without mutual TLS are refused where the process listens by Mesh.Listen or Mesh.ServerTLS: mTLS is STRICT")
	case mode == mtls.Disable && q.Principal != "":
		x.note("connections are in plaintext here, and their callers have no identity: mTLS is DISABLE")
	}
}

// servedText is a call to this process in a few words.
func servedText(c *enmesh.Call) string {
	if c.Protocol == enmesh.GRPC {
		return "grpc " + c.Path
	}
	return c.Method + " " + c.Path
}

func callerText(q *AuthzQuery, c *enmesh.Call) string {
	who := q.principal()
	if who == "" {
		who = "somebody without mutual TLS"
	}
	who += " at " + c.Source.Addr.Addr().String()
	if user := q.Auth.Principal(); user != "" {
		who += ", for " + user
	}
	return who
}

func verdictText(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "denied"
}

func matchText(policyName, rule, origin string) string {
	if policyName == "" {
		return ""
	}
	return strings.TrimSpace(policyName+" "+rule) + " (" + origin + ")"
}

// String is the explanation as [AuthzExplanation.WriteText] writes it.
func (x AuthzExplanation) String() string {
	var b strings.Builder
	_ = x.WriteText(&b) // a Builder takes all
	return b.String()
}

// WriteText writes the explanation for people.
func (x AuthzExplanation) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s", x.Call)
	p.line("by %s", x.Caller)
	p.line("%s: %s", verdictText(x.Allowed), x.Reason)
	if x.Policy != "" {
		p.line("  %s %s", x.Action, matchText(x.Policy, x.Rule, x.Origin))
	}
	where := x.MTLSOrigin
	if where == "" {
		where = "by default"
	}
	p.line("mTLS: %s (%s)", x.MTLS, where)
	if x.Audited != "" {
		p.line("audited: %s", x.Audited)
	}
	if x.DryRun != "" {
		p.line("in dry run: %s", x.DryRun)
	}
	for _, n := range x.Near {
		p.line("  not by %s %s: %s", n.Action, matchText(n.Policy, n.Rule, n.Origin), n.Why)
	}
	for _, n := range x.Notes {
		p.line("note: %s", n)
	}
	return p.err
}
