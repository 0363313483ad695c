// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"context"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Ops are edits of a header: Remove first, then Set, which replaces, then Add, which
// appends. Names are in any case.
type Ops struct {
	Set, Add map[string]string
	Remove   []string
}

// Headers are edits of the request's and of the answer's header (Istio's Headers).
// Setting "host" or ":authority" on a request changes the call's Authority instead.
type Headers struct{ Request, Response Ops }

// Middleware is [EditHeaders] for h alone.
func (h Headers) Middleware() enmesh.Middleware { return EditHeaders(h) }

// EditHeaders makes the edits of several levels, one after the other: a rule's, then
// its destination's, which so has the last word where both set one header, on requests
// and on answers alike. The authority is that of the first level that sets one, as in
// Istio, where a rule's goes before its destination's. It is nil, which enmesh.Chain
// leaves out, if there is nothing to do.
//
// It stands above a retry, so that it edits once. The answer's header is edited
// whatever its status; where none came there is nothing to edit.
func EditHeaders(levels ...Headers) enmesh.Middleware {
	var request, response []*edits
	authority, rewrites := "", false
	for _, h := range levels {
		if e := newEdits(h.Request); e != nil {
			request = append(request, e)
		}
		if e := newEdits(h.Response); e != nil {
			response = append(response, e)
		}
		if !rewrites {
			authority, rewrites = h.Request.authority()
		}
	}
	if len(request)+len(response) == 0 && !rewrites {
		return nil
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if rewrites {
				c.Authority = authority
			}
			for _, e := range request {
				e.apply(c, c.Header)
			}
			err := next(ctx, c)
			for _, e := range response {
				e.apply(c, c.Answer.Header)
			}
			return err
		}
	}
}

// authority is what Set makes of the host.
func (o Ops) authority() (value string, ok bool) {
	for name, v := range o.Set {
		if isAuthority(name) {
			return v, true
		}
	}
	return "", false
}

func isAuthority(name string) bool {
	return strings.EqualFold(name, "host") || name == ":authority"
}

// edit is one name, and the value it gets.
type edit struct {
	name  spelling
	value string
}

// edits are Ops in the form that apply reads; nil edits nothing.
type edits struct{ remove, set, add []edit }

func newEdits(o Ops) *edits {
	e := edits{set: sorted(o.Set), add: sorted(o.Add)}
	for _, name := range o.Remove {
		if !isAuthority(name) {
			e.remove = append(e.remove, edit{name: spell(name)})
		}
	}
	if len(e.remove)+len(e.set)+len(e.add) == 0 {
		return nil
	}
	return &e
}

// sorted are the edits in order of their names, which makes them repeatable.
func sorted(m map[string]string) []edit {
	var es []edit
	for name, value := range m {
		if !isAuthority(name) {
			es = append(es, edit{spell(name), value})
		}
	}
	slices.SortFunc(es, func(a, b edit) int { return strings.Compare(a.name.lower, b.name.lower) })
	return es
}

func (e *edits) apply(c *enmesh.Call, h enmesh.Header) {
	if e == nil || h == nil {
		return
	}
	for i := range e.remove {
		h.Del(e.remove[i].name.of(c))
	}
	for i := range e.set {
		h.Set(e.set[i].name.of(c), e.set[i].value)
	}
	for i := range e.add {
		h.Add(e.add[i].name.of(c), e.add[i].value)
	}
}
