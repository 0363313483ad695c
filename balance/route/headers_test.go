// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

func TestHeaders_editBothWays(t *testing.T) {
	mw := route.Headers{
		Request: route.Ops{
			Set: map[string]string{"X-Set": "new"}, Add: map[string]string{"x-add": "2", "x-gone": "back"},
			Remove: []string{"X-Gone"},
		},
		Response: route.Ops{Set: map[string]string{"x-from": "enmesh"}, Remove: []string{"server"}},
	}.Middleware()
	failure := errors.New("503")
	for _, ends := range []error{nil, failure} {
		for protocol, c := range calls("GET", "/", "x-set", "old", "x-set", "older", "x-add", "1", "x-gone", "away") {
			answer := metadata{"server": {"envoy"}, "x-from": {"origin"}}
			next := func(_ context.Context, c *enmesh.Call) error {
				for name, want := range map[string][]string{"x-set": {"new"}, "x-add": {"1", "2"}, "x-gone": {"back"}} {
					if got := c.Header.Values(name); !slices.Equal(got, want) {
						t.Errorf("%s: request has %s %q, want %q", protocol, name, got, want)
					}
				}
				c.Answer.Header = answer
				return ends
			}
			if err := mw(next)(t.Context(), c); err != ends {
				t.Errorf("%s: error %v, want %v", protocol, err, ends)
			}
			if answer.Get("server") != "" || answer.Get("x-from") != "enmesh" {
				t.Errorf("%s: answer has %v", protocol, answer)
			}
		}
	}
}

func TestHeaders_hostIsTheAuthority(t *testing.T) {
	for _, name := range []string{"host", "Host", ":authority"} {
		mw := route.Headers{Request: route.Ops{Set: map[string]string{name: "other:80"}}}.Middleware()
		for protocol, c := range calls("GET", "/") {
			_ = mw(func(context.Context, *enmesh.Call) error { return nil })(t.Context(), c)
			if c.Authority != "other:80" || c.Header.Get(name) != "" {
				t.Errorf("%s over %s: authority %q, header %q; want other:80, none", name, protocol, c.Authority, c.Header.Get(name))
			}
		}
	}
}

func TestHeaders_nothingToEdit(t *testing.T) {
	if (route.Headers{}).Middleware() != nil {
		t.Error("the middleware of no edits is not nil")
	}
	mw := route.Headers{Response: route.Ops{Set: map[string]string{"a": "b"}}}.Middleware()
	if err := mw(func(context.Context, *enmesh.Call) error { return nil })(t.Context(), &enmesh.Call{}); err != nil {
		t.Errorf("without headers: %v", err)
	}
}

func TestHeaders_conform(t *testing.T) {
	enmeshtest.TestMiddleware(t, route.Headers{
		Request:  route.Ops{Set: map[string]string{"x-a": "1"}, Remove: []string{"x-b"}},
		Response: route.Ops{Add: map[string]string{"x-c": "2"}},
	}.Middleware)
}
