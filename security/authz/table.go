// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import "slices"

// table is the rules of one action, findable by what calls have.
type table struct {
	rules []rule
	dims  []*dimension
	rest  []int32 // rules that are found by nothing
}

// small is how many rules are rather tried one by one.
const small = 8

func newTable(rules []rule) *table {
	t := &table{rules: rules}
	if len(rules) <= small {
		for id := range rules {
			t.rest = append(t.rest, int32(id))
		}
		return t
	}
	t.index()
	return t
}

// way is a dimension in which every call that a rule matches is found by one of handles.
type way struct {
	dim
	atom    *atom
	handles []handle
}

// place is a handle in its dimension.
type place struct {
	dim
	handle
}

// index puts every rule where the fewest others are.
func (t *table) index() {
	ways := make([][]way, len(t.rules))
	crowd := map[place]int{}
	for i := range t.rules {
		ways[i] = t.rules[i].ways()
		for _, w := range ways[i] {
			for _, h := range w.handles {
				crowd[place{w.dim, h}]++
			}
		}
	}
	dims := map[dim]*dimension{}
	for i, options := range ways {
		best := least(options, crowd)
		if best == nil {
			t.rest = append(t.rest, int32(i))
			continue
		}
		d := dims[best.dim]
		if d == nil {
			d = &dimension{dim: best.dim, field: best.atom.field, claim: best.atom.claim}
			dims[best.dim] = d
			t.dims = append(t.dims, d)
		}
		for _, h := range best.handles {
			d.add(h, int32(i))
		}
		d.all = append(d.all, int32(i))
	}
	for _, d := range t.dims {
		d.seal()
	}
}

// least is the way whose most crowded place is the least so; nil when there is none.
func least(ways []way, crowd map[place]int) *way {
	var best *way
	fewest := 0
	for i := range ways {
		most := 0
		for _, h := range ways[i].handles {
			most = max(most, crowd[place{ways[i].dim, h}])
		}
		if best == nil || most < fewest {
			best, fewest = &ways[i], most
		}
	}
	return best
}

// ways are all that a rule can be found by.
func (r *rule) ways() []way {
	ways := append(common(r.from), common(r.to)...)
	for i := range r.when {
		ways = append(ways, common([][]atom{r.when[i : i+1]})...)
	}
	return ways
}

// common are the ways that all clauses have.
func common(clauses [][]atom) []way {
	var ways []way
	if len(clauses) == 0 {
		return nil
	}
	for i := range clauses[0] {
		first := &clauses[0][i]
		d, ok := first.dim()
		if !ok {
			continue
		}
		w := way{dim: d, atom: first}
		for _, clause := range clauses {
			at := slices.IndexFunc(clause, func(a atom) bool {
				other, ok := a.dim()
				return ok && other == d
			})
			if at < 0 {
				w.handles = nil
				break
			}
			w.handles = append(w.handles, clause[at].handles()...)
		}
		if len(w.handles) > 0 {
			w.handles = distinct(w.handles)
			ways = append(ways, w)
		}
	}
	return ways
}

func distinct(hs []handle) []handle {
	seen := make(map[handle]bool, len(hs))
	return slices.DeleteFunc(hs, func(h handle) bool {
		again := seen[h]
		seen[h] = true
		return again
	})
}

// find is the first rule that matches a call, or nil.
func (t *table) find(v *view, wide bool) *rule {
	var room [24][]int32
	lists := room[:0]
	for _, d := range t.dims {
		lists = d.find(v, wide, lists)
	}
	lists = put(lists, t.rest)
	best := int32(len(t.rules))
	for _, list := range lists {
		for _, id := range list {
			if id >= best {
				break
			}
			if t.rules[id].holds(v, wide) {
				best = id
			}
		}
	}
	if int(best) == len(t.rules) {
		return nil
	}
	return &t.rules[best]
}
