// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

// rule is a Rule, compiled.
type rule struct {
	owner  *owner
	label  string // "rules[2]"
	origin string
	from   [][]atom
	to     [][]atom
	when   []atom
}

// owner is what a rule has of its policy.
type owner struct {
	name   string
	action Action
	dryRun bool
	asks   string // the provider of a Custom policy
}

// holds reports whether the rule matches a call.
func (r *rule) holds(v *view, wide bool) bool {
	return anyHolds(r.to, v, wide) && anyHolds(r.from, v, wide) && allHold(r.when, v, wide)
}

// anyHolds reports whether one of the clauses does; that there are none restricts nothing.
func anyHolds(clauses [][]atom, v *view, wide bool) bool {
	for _, clause := range clauses {
		if allHold(clause, v, wide) {
			return true
		}
	}
	return len(clauses) == 0
}

func allHold(atoms []atom, v *view, wide bool) bool {
	for i := range atoms {
		if !atoms[i].holds(v, wide) {
			return false
		}
	}
	return true
}

func (r *rule) match() Match { return Match{r.owner.name, r.label, r.origin} }
