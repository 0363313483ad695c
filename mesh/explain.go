// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// Explain says what would become of a call, without sending it: by which rule of which
// file it goes and why not by those before, what the rule does, where it may go, and for
// each endpoint there whether it may be picked now, and why not.
//
// It asks the routes and clusters that calls go by, so it needs no call to have been made. A
// service that was never called is followed from then on, as by a call; Explain waits for
// the registry's first answer, a second at most, and less when ctx ends. What it says of
// health is of that moment. It fails on a query that means nothing.
func (m *Mesh) Explain(ctx context.Context, q Query) (Explanation, error) {
	if err := q.check(); err != nil {
		return Explanation{}, err
	}
	x := &inquiry{mesh: m, query: &q, key: m.naming.Key(q.carrier().Call.Service)}
	x.find()
	x.out.Call, x.out.Service = callText(&q.carrier().Call), x.key
	x.out.Version = x.snapshot.Version
	switch {
	case x.host == nil:
		x.out.Route = standard.Name
		x.act()
	case x.taken != nil:
		x.out.Route = x.taken.routes[0].Name
		x.act()
	default:
		x.out.Route = m.table.noRoute.Name
		x.out.Result = refusedBy(errNoRoute)
	}
	x.destinations(ctx)
	if len(m.cfg.outbound) > 0 {
		x.note("the program's own middleware (WithOutbound) may do more, and is not asked")
	}
	return x.out, nil
}

// patience is how long Explain waits for the registry's first answer.
const patience = time.Second

// inquiry is an explanation while it is made.
type inquiry struct {
	mesh  *Mesh
	query *Query
	key   string
	out   Explanation

	host     *builtHost // nil: no VirtualService names the host
	taken    *builtRule // nil: none of its rules takes the call
	snapshot *policy.Snapshot
}

// find finds the rule as calls do.
func (x *inquiry) find() {
	c := &x.query.carrier().Call
	t := x.mesh.table
	s := t.current.Load()
	x.snapshot = x.mesh.policies.current.Load()
	if x.host = s.named(x.key); x.host == nil {
		return
	}
	x.taken = x.host.first(c)
	from := x.host.rules[0].from
	x.snapshot = from.snapshot
	x.describe(from.service, c)
}

// describe tells of the rules.
func (x *inquiry) describe(svc *policy.Service, c *enmesh.Call) {
	x.out.VirtualService, x.out.Origin = "VirtualService "+svc.Namespace+"/"+svc.Name, svc.Origin
	x.out.Pattern = x.host.name
	end := len(svc.Rules)
	if x.taken != nil {
		end = x.taken.from.at
	}
	for i := range end + 1 {
		for _, l := range svc.Left {
			if l.Before == i {
				x.skip(SkippedRule{Name: l.Name, Origin: l.Origin, Reasons: []Skipped{{l.Origin, "", l.Why}}})
			}
		}
		if i < end {
			x.skip(skippedRule(svc.Rules[i], c))
		}
	}
	if x.taken != nil {
		x.out.Rule = takenRule(x.taken, c)
	}
}

func (x *inquiry) skip(r SkippedRule) { x.out.Skipped = append(x.out.Skipped, r) }
func (x *inquiry) note(s string)      { x.out.Notes = append(x.out.Notes, s) }

// skippedRule is why none of a rule's matches takes c.
func skippedRule(r *policy.Rule, c *enmesh.Call) SkippedRule {
	out := SkippedRule{Name: r.Name, Origin: r.Origin, Delegate: r.Delegate}
	for i, m := range r.Match {
		why := "it would take the call now"
		if mismatch := m.Why(c); mismatch != nil {
			why = mismatch.String()
		}
		out.Reasons = append(out.Reasons, Skipped{r.MatchOrigins[i], m.Name, why})
	}
	for _, l := range r.Left {
		out.Reasons = append(out.Reasons, Skipped{l.Origin, l.Name, l.Why})
	}
	return out
}

// takenRule is a rule that takes c, and by which of its matches.
func takenRule(b *builtRule, c *enmesh.Call) *TakenRule {
	r := b.from.rule()
	out := &TakenRule{Origin: r.Origin, Delegate: r.Delegate}
	for i := b.from.from; i < b.from.to; i++ {
		if r.Match[i].Matches(c) {
			out.Match = r.MatchOrigins[i]
			break
		}
	}
	return out
}

// callText is a call in a few words.
func callText(c *enmesh.Call) string {
	if c.Protocol == enmesh.GRPC {
		return "grpc " + c.Path + " of " + c.Authority
	}
	text := c.Method + " " + c.Scheme + "://" + c.Authority + c.Path
	if c.Query != "" {
		text += "?" + c.Query
	}
	return text
}

// refusedBy is the Result of calls that end with e.
func refusedBy(e *enmesh.Error) Result {
	return Result{Kind: ResultRefused, Status: e.Status, Flag: string(e.Flag), Text: e.Err.Error()}
}
