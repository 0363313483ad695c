// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"iter"
)

// Told is Watch without the guard and the debounce: every set as the registry tells it,
// as soon as it does, and never one from disk. It shares the one watch of the service
// with all readers. It is for those who ask what the registry says, not whom to call: a
// process that ends wants to know that others can have heard of it, also where it was the
// last of its service and readers keep its endpoint until that is believed.
func (c *Cache) Told(ctx context.Context, service string) iter.Seq2[[]Endpoint, error] {
	return c.watch(ctx, service, (*view).newWord)
}

// hearsay gives readers what the registry said last, when it differs from what it said
// before.
func (f *follower) hearsay() {
	if f.noted == f.judge.changes || f.now.Confirmed.IsZero() {
		return
	}
	f.noted = f.judge.changes
	set := f.judge.good
	if f.judge.doubt != nil {
		set = f.judge.doubt.set
	}
	v := &f.view
	if v.words > 0 && EqualSets(v.told, set) {
		return
	}
	v.told = set
	v.words++
	f.fresh = true
}

// newWord gives what a reader of the registry's own words is to be told, if anything.
func (v *view) newWord(seen *view) ([]Endpoint, bool) {
	back := v.restored != seen.restored && seen.err != nil
	return v.told, v.words > 0 && (back || v.words != seen.words && (seen.words == 0 || !EqualSets(seen.told, v.told)))
}
