// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
)

// ends are how calls ended.
type ends []end

// calls makes n calls, one after the other.
func (p *program) calls(n int, method string, headers ...string) ends {
	p.t.Helper()
	return p.do(order{Do: "calls", N: n, Method: method, Headers: pairs(headers)}).Calls
}

// call makes one.
func (p *program) call(method string, headers ...string) end {
	p.t.Helper()
	return p.calls(1, method, headers...)[0]
}

func pairs(kv []string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		out[kv[i]] = kv[i+1]
	}
	return out
}

// failed is how many ended with an error.
func (e ends) failed() int {
	n := 0
	for _, one := range e {
		if one.Code != codes.OK {
			n++
		}
	}
	return n
}

// who is how many each has answered.
func (e ends) who() map[string]int {
	out := map[string]int{}
	for _, one := range e {
		if one.Code == codes.OK {
			out[one.Who]++
		}
	}
	return out
}

// by is whether all were answered, by nobody but names.
func (e ends) by(names ...string) bool {
	return !slices.ContainsFunc(e, func(one end) bool { return one.Code != codes.OK || !slices.Contains(names, one.Who) })
}

// codes is how many ended with each.
func (e ends) codes() map[codes.Code]int {
	out := map[codes.Code]int{}
	for _, one := range e {
		out[one.Code]++
	}
	return out
}

// String is who answered, and why the first that failed did.
func (e ends) String() string {
	s := fmt.Sprintf("%v %v", e.codes(), e.who())
	if i := slices.IndexFunc(e, func(one end) bool { return one.Code != codes.OK }); i >= 0 {
		s += fmt.Sprintf(" %v: %s", e[i].Code, e[i].Text)
	}
	return s
}

func TestPingPong(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p := run(t)
		p.registry.Set("echo", serve(t, "one").at())
		c := p.client(l, "echo:7070")
		if got := c.do(order{Do: "calls", Method: unary, Bytes: 271_828}).Calls[0]; got.Code != codes.OK || got.Who != "one" || got.Bytes != 271_828 {
			t.Errorf("unary: %+v", got)
		}
		if got := c.call(empty); got.Code != codes.OK || got.Bytes != 0 {
			t.Errorf("empty: %+v", got)
		}
		sizes := []int{31_415, 9, 2_653, 58_979}
		if got := c.do(order{Do: "ping", Method: full, Sizes: sizes}); !slices.Equal(got.Sizes, sizes) || got.Calls[0].Code != codes.OK {
			t.Errorf("ping-pong: %v %+v", got.Sizes, got.Calls)
		}
		for _, client := range p.Status().Clients {
			if client.Client != l.agent {
				t.Errorf("the client says it is %q, want %q", client.Client, l.agent)
			}
		}
	})
}
