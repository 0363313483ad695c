// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"testing"

	"google.golang.org/grpc/codes"
)

// subsets is a destination rule with subsets by version.
const subsets = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`

// versions is an agent with an instance of each of two versions: they say "v1" and "v2".
func versions(t *testing.T, documents string) *plane {
	t.Helper()
	p := run(t)
	p.policy(documents + "\n---" + subsets)
	p.registry.Set("echo", serve(t, "v1").at("version", "v1"), serve(t, "v2").at("version", "v2"))
	return p
}

// routed is a VirtualService that sends what a rule matches to v2, the rest to v1.
func routed(match string) string {
	return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
  - match: [` + match + `]
    route: [{destination: {host: echo, subset: v2}}]
  - route: [{destination: {host: echo, subset: v1}}]
`
}

// matching is the published cases of path and header matching, as far as Istio's language
// has them: suffixes and ranges are expressions in it.
var matching = []struct {
	name, match string
	yes, no     []string // method and headers
}{
	{"full path", `{uri: {exact: ` + empty + `}}`, []string{empty}, []string{unary}},
	{"path prefix", `{uri: {prefix: /grpc.testing.TestService/Unary}}`, []string{unary}, []string{empty}},
	{"path expression", `{uri: {regex: "^\\/.*\\/UnaryCall$"}}`, []string{unary}, []string{empty}},
	{"path in any case", `{uri: {exact: /GRPC.testing.testservice/uNARYcall}, ignoreUriCase: true}`, []string{unary}, []string{empty}},
	{"path prefix in any case", `{uri: {prefix: /GRPC.testing.testservice/u}, ignoreUriCase: true}`, []string{unary}, []string{empty}},
	{"header exact", `{headers: {xds_md: {exact: exact_match}}}`, []string{unary, "xds_md", "exact_match"}, []string{unary, "xds_md", "exact"}},
	{"header prefix", `{headers: {xds_md: {prefix: unary}}}`, []string{unary, "xds_md", "unary_x"}, []string{unary, "xds_md", "x_unary"}},
	{"header suffix", `{headers: {xds_md: {regex: ".*_suffix"}}}`, []string{unary, "xds_md", "a_suffix"}, []string{unary, "xds_md", "a_suffix_b"}},
	{"header present", `{headers: {xds_md: {}}}`, []string{unary, "xds_md", "any"}, []string{unary}},
	{"header absent", `{withoutHeaders: {xds_md: {}}}`, []string{unary}, []string{unary, "xds_md", "any"}},
	{"header inverted", `{withoutHeaders: {xds_md: {exact: no}}}`, []string{unary, "xds_md", "yes"}, []string{unary, "xds_md", "no"}},
	{"header inverted and missing", `{withoutHeaders: {xds_md: {exact: no}}}`, []string{unary}, []string{unary, "xds_md", "no"}},
	{"header range", `{headers: {xds_md: {regex: "1[0-9][0-9]"}}}`, []string{unary, "xds_md", "150"}, []string{unary, "xds_md", "250"}},
	{"header expression", `{headers: {xds_md: {regex: "^em.*"}}}`, []string{unary, "xds_md", "empty"}, []string{unary, "xds_md", "unary"}},
	{"header expression is of the whole value", `{headers: {xds_md: {regex: "a|ab"}}}`, []string{unary, "xds_md", "ab"}, []string{unary, "xds_md", "abc"}},
	{"all of several", `{uri: {prefix: /grpc.testing.}, headers: {a: {exact: "1"}, b: {exact: "2"}}}`, []string{unary, "a", "1", "b", "2"}, []string{unary, "a", "1"}},
	{"one of several", `{headers: {a: {exact: "1"}}}, {headers: {b: {exact: "2"}}}`, []string{unary, "b", "2"}, []string{unary, "b", "1"}},
	{"authority", `{authority: {prefix: echo}, headers: {a: {exact: "1"}}}`, []string{unary, "a", "1"}, []string{unary}},
	{"other authority", `{authority: {exact: elsewhere}}, {headers: {a: {exact: "1"}}}`, []string{unary, "a", "1"}, []string{unary}},
	{"port", `{port: 7070, headers: {a: {exact: "1"}}}`, []string{unary, "a", "1"}, []string{unary}},
	{"other port", `{port: 7071}, {headers: {a: {exact: "1"}}}`, []string{unary, "a", "1"}, []string{unary}},
}

func TestMatching(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p := versions(t, "")
		c := p.client(l, "echo:7070")
		for _, tc := range matching {
			p.policy(routed(tc.match) + "\n---" + subsets)
			settled(t, c, tc.name, "v2", tc.yes)
			settled(t, c, tc.name, "v1", tc.no)
			for _, probe := range []struct {
				call []string
				want string
			}{{tc.yes, "v2"}, {tc.no, "v1"}} {
				if got := c.calls(10, probe.call[0], probe.call[1:]...); !got.by(probe.want) {
					t.Errorf("%s: %q: got %v, want %s", tc.name, probe.call, got, probe.want)
				}
			}
		}
	})
}

// settled waits until a call is answered by want.
func settled(t *testing.T, c *program, what, want string, call []string) {
	t.Helper()
	eventually(t, what+": "+want, func() bool { return c.call(call[0], call[1:]...).Who == want })
}

// splitting is a VirtualService that divides calls.
const splitting = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
  - route:
    - {destination: {host: echo, subset: v1}, weight: 80}
    - {destination: {host: echo, subset: v2}, weight: 20}
`

func TestTrafficSplitting(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		c := versions(t, splitting).client(l, "echo:7070")
		got := ends(c.do(order{Do: "calls", N: 2000, At: 10, Method: unary}).Calls)
		// 20 % of 2000: five standard deviations are 90.
		if n := got.who()["v2"]; got.failed() > 0 || n < 310 || n > 490 {
			t.Errorf("got %v, want 1600 and 400", got)
		}
	})
}

func TestUnknownServiceFailsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		c := run(t).client(l, "nowhere:80")
		got := c.call(unary)
		if got.Code != codes.Unavailable || got.MS > 10_000 {
			t.Errorf("got %+v, want UNAVAILABLE at once", got)
		}
	})
}

// TestWhatIsNotForGRPCIsRefused holds that a rule that gRPC cannot follow fails its calls, and
// no others.
func TestWhatIsNotForGRPCIsRefused(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		p, _ := one(t, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
  - match: [{headers: {want: {exact: redirect}}}]
    redirect: {uri: /elsewhere}
  - match: [{headers: {want: {exact: answer}}}]
    directResponse: {status: 200, body: {string: hello}}
  - route: [{destination: {host: echo}}]
`)
		c := p.client(l, "echo:7070")
		for _, want := range []string{"redirect", "answer"} {
			if got := c.call(unary, "want", want); got.Code != codes.Unavailable || got.MS > 10_000 {
				t.Errorf("%s: got %+v, want UNAVAILABLE at once", want, got)
			}
		}
		if got := c.call(unary); got.Code != codes.OK {
			t.Errorf("the others: got %+v", got)
		}
	})
}
