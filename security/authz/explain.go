// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// maxNear is how many rules that missed are told.
const maxNear = 5

// Explain says how the policies decide over a call, and which rules that did not match
// missed by least. It asks no Checker: a call that a Custom policy matches is explained as
// if it were allowed, and [Decision.Provider] says who would be asked. It tells nobody.
// The answer quotes policies and nothing of the call.
func (e *Engine) Explain(_ context.Context, c *enmesh.Call) (d Decision) {
	defer func() {
		if p := recover(); p != nil {
			logPanic("an explanation", p)
			d = Decision{Reason: reasonPanic, Failed: true}
		}
	}()
	v := view{call: c, proxies: e.proxies}
	said := e.inForce.decide(&v)
	shadow, _ := e.shadow(&v, said)
	d = describe(said, shadow, e.audit.find(&v, true))
	if r := e.custom.find(&v, true); r != nil {
		d.Provider = r.owner.asks
	}
	d.Near = e.near(&v)
	return d
}

// near are the rules that missed, those first that missed by least.
func (e *Engine) near(v *view) []Near {
	type miss struct {
		Near
		by int
	}
	var misses []miss
	book := &e.inForce
	if e.dry != nil {
		book = e.dry
	}
	for _, t := range []*table{e.custom, book.deny, book.allow} {
		for i := range t.rules {
			r := &t.rules[i]
			if by, why := r.miss(v, r.owner.action != Allow); by > 0 {
				misses = append(misses, miss{Near{r.match(), r.owner.action, r.owner.dryRun, why}, by})
			}
		}
	}
	slices.SortStableFunc(misses, func(a, b miss) int { return cmp.Compare(a.by, b.by) })
	var list []Near
	for _, m := range misses[:min(len(misses), maxNear)] {
		list = append(list, m.Near)
	}
	return list
}

// miss says by how many parts the rule misses a call, and which is the first; 0: it
// matches.
func (r *rule) miss(v *view, wide bool) (by int, why string) {
	count := func(n int, text string) {
		if by == 0 {
			why = text
		}
		by += n
	}
	count(missClauses("to", r.to, v, wide))
	count(missClauses("from", r.from, v, wide))
	for i := range r.when {
		if !r.when[i].holds(v, wide) {
			count(1, fmt.Sprintf("when: %s", r.when[i].complaint()))
		}
	}
	return by, why
}

// missClauses is by how many parts the nearest clause misses, 0 if one does not.
func missClauses(name string, clauses [][]atom, v *view, wide bool) (by int, why string) {
	for i, clause := range clauses {
		n, text := 0, ""
		for j := range clause {
			if clause[j].holds(v, wide) {
				continue
			}
			n++
			if n == 1 {
				text = fmt.Sprintf("%s[%d].%s", name, i, clause[j].complaint())
			}
		}
		if n == 0 {
			return 0, ""
		}
		if by == 0 || n < by {
			by, why = n, text
		}
	}
	return by, why
}

// complaint says what the atom asks for and the call has not.
func (a *atom) complaint() string {
	const most = 4
	shown := a.values[:min(len(a.values), most)]
	quoted := make([]string, len(shown))
	for i, value := range shown {
		quoted[i] = fmt.Sprintf("%q", value)
	}
	list := strings.Join(quoted, ", ")
	if more := len(a.values) - len(shown); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	if a.negated {
		return a.name + " is one of " + list
	}
	return a.name + " is none of " + list
}
