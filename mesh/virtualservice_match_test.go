// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/mesh"
)

// Each row is a match, and two calls: one that it takes, to v2, and one that it leaves,
// to v1; over both protocols unless it is about something that only one has.
func TestVirtualService_matches(t *testing.T) {
	s := newStreet(t, "reviews")
	header := func(h ...string) request { return request{target: "/a/b", header: h} }
	path := func(target string) request { return request{target: target} }
	for _, tt := range []struct {
		name, match  string
		takes, leave request
		only         string // "http", "grpc"; "": both
	}{
		{"exact", "{uri: {exact: /a/b}}", path("/a/b"), path("/a/bc"), ""},
		{"prefix of characters", "{uri: {prefix: /a/b}}", path("/a/bc"), path("/a/c"), ""},
		{"regex of the whole", "{uri: {regex: '/a/[0-9]+'}}", path("/a/12"), path("/a/12x"), ""},
		{"gRPC method", "{uri: {exact: /shop.Reviews/Get}, method: {exact: POST}}", path("/shop.Reviews/Get"), path("/shop.Reviews/List"), "grpc"},
		{"empty prefix", "{uri: {prefix: ''}, headers: {x: {exact: '1'}}}", header("x", "1"), header("x", "2"), ""},
		{"case counts", "{uri: {exact: /a/B}}", path("/a/B"), path("/a/b"), ""},
		{"ignoreUriCase exact", "{uri: {exact: /A/b}, ignoreUriCase: true}", path("/a/B"), path("/a/c"), ""},
		{"ignoreUriCase prefix", "{uri: {prefix: /A/}, ignoreUriCase: true}", path("/a/x"), path("/b/x"), ""},
		{"ignoreUriCase is not of regex", "{uri: {regex: '/A/.*'}, ignoreUriCase: true}", path("/A/x"), path("/a/x"), ""},
		{"the query is no part of the path", "{uri: {exact: /a/b}}", path("/a/b?c=d"), path("/a/c?x=/a/b"), "http"},
		{"method", "{method: {regex: 'P.*'}}", request{method: "PUT", target: "/a/b"}, path("/a/b"), "http"},
		{"scheme", "{scheme: {exact: http}, headers: {x: {}}}", header("x", "1"), header("y", "1"), ""},
		{"authority", "{authority: {prefix: 'reviews:'}}", request{host: "reviews:9080", target: "/a/b"}, path("/a/b"), ""},
		{"port", "{port: 9080}", request{host: "reviews:9080", target: "/a/b"}, request{host: "reviews:9081", target: "/a/b"}, ""},
		{"port of the scheme", "{port: 80}", path("/a/b"), request{host: "reviews:9081", target: "/a/b"}, "http"},
		{"header exact", "{headers: {X-User: {exact: jason}}}", header("x-user", "jason"), header("x-user", "ada"), ""},
		{"header prefix", "{headers: {x-user: {prefix: ja}}}", header("x-user", "jason"), header("x-user", "ada"), ""},
		{"header regex", "{headers: {x-user: {regex: '.*,ada'}}}", header("x-user", "jason", "x-user", "ada"), header("x-user", "ada"), ""},
		{"header present, empty", "{headers: {x-user: {}}}", header("x-user", "any"), header("x-other", "any"), ""},
		{"header present, null", "{headers: {x-user: }}", header("x-user", "any"), header("x-other", "any"), ""},
		{"header present, star", "{headers: {x-user: {regex: '*'}}}", header("x-user", "any"), header("x-other", "any"), ""},
		{"header uri is ignored", "{headers: {uri: {exact: never}, x: {}}}", header("x", "1"), header("y", "1"), ""},
		{"user-agent, which xDS does not see", "{headers: {user-agent: {regex: '.*bot.*'}}}", header("user-agent", "a bot"), header(), "http"},
		{"binary metadata, which xDS does not see", "{headers: {x-bin: {exact: '1'}}}", header("x-bin", "1"), header("x-bin", "2"), "grpc"},
		{"two headers", "{headers: {x: {exact: '1'}, y: {exact: '2'}}}", header("x", "1", "y", "2"), header("x", "1"), ""},
		{"withoutHeaders, absent", "{withoutHeaders: {x: {exact: '1'}}}", header(), header("x", "1"), ""},
		{"withoutHeaders, other", "{withoutHeaders: {x: {exact: '1'}}}", header("x", "2"), header("x", "1"), ""},
		{"withoutHeaders, present", "{withoutHeaders: {x: {}}}", header(), header("x", "1"), ""},
		{"query exact", "{queryParams: {q: {exact: '1'}}}", path("/a/b?p=2&q=1"), path("/a/b?q=2"), "http"},
		{"query present", "{queryParams: {q: {}}}", path("/a/b?q"), path("/a/b?p"), "http"},
		{"query prefix", "{queryParams: {q: {prefix: 'a b'}}}", path("/a/b?q=a+bc"), path("/a/b?q=ab"), "http"},
		{"query regex", "{queryParams: {q: {regex: '[0-9]+'}}}", path("/a/b?q=12"), path("/a/b?q=x"), "http"},
		{"sourceLabels", "{sourceLabels: {app: productpage}, headers: {x: {}}}", header("x", "1"), header(), ""},
		{"sourceNamespace", "{sourceNamespace: default, headers: {x: {}}}", header("x", "1"), header(), ""},
		{"of other processes", "{sourceLabels: {app: other}}, {sourceNamespace: shop}, {gateways: [front]}, {headers: {x: {}}}", header("x", "1"), header(), ""},
		{"gateways with the mesh", "{gateways: [front, mesh], headers: {x: {}}}", header("x", "1"), header(), ""},
		{"any of several", "{uri: {exact: /x/y}}, {headers: {x: {}}}", header("x", "1"), header(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			documents := subsets + "\n---\n" + forReviews("{match: ["+tt.match+"], route: [{destination: {host: reviews, subset: v2}}]}, {"+toReviews+"}")
			for protocol, endpoints := range map[string]func(r request) string{
				"http": func(r request) string { got, _ := s.overHTTP(t, s.open(t, s.web, documents), r); return got },
				"grpc": func(r request) string { got, _ := s.overGRPC(t, s.open(t, s.rpc, documents), r); return got },
			} {
				if tt.only != "" && tt.only != protocol {
					continue
				}
				if got := answered(endpoints(tt.takes)); !strings.HasPrefix(got, "reviews v2 ") {
					t.Errorf("over %s: %+v got %q, want v2", protocol, tt.takes, got)
				}
				if got := answered(endpoints(tt.leave)); !strings.HasPrefix(got, "reviews v1 ") {
					t.Errorf("over %s: %+v got %q, want v1", protocol, tt.leave, got)
				}
			}
		})
	}
}

// Header edits: what is removed goes before what is set and added, the rule's before
// the destination's, and each is done once however often a call is tried.
func TestVirtualService_headers(t *testing.T) {
	s := newStreet(t, "reviews")
	documents := subsets + "\n---\n" + forReviews(`{
	  headers: {request: {set: {x-set: rule, x-both: rule}, add: {x-add: rule}, remove: [x-gone, x-add]}, response: {set: {x-origin: rule}, add: {x-more: "1"}}},
	  retries: {attempts: 2, retryOn: 'unavailable,503'},
	  route: [{destination: {host: reviews, subset: v1}, headers: {request: {set: {x-both: target}, add: {x-twice: t}}, response: {add: {x-more: "2"}}}}]}`)
	r := request{target: "/a/b", header: []string{"x-gone", "1", "x-add", "own", "x-set", "own"}}
	tries := 0
	s.status = func(heard) int {
		tries++
		if tries%2 == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
	for protocol, call := range map[string]func() http.Header{
		"http": func() http.Header { _, h := s.overHTTP(t, s.open(t, s.web, documents), r); return h },
		"grpc": func() http.Header { _, h := s.overGRPC(t, s.open(t, s.rpc, documents), r); return h },
	} {
		answer := call()
		calls := s.take("reviews")
		if want := map[string]int{"http": 2, "grpc": 1}[protocol]; len(calls) != want {
			t.Errorf("%s: %d attempts, want %d", protocol, len(calls), want)
		}
		for _, h := range calls {
			for name, want := range map[string][]string{"X-Set": {"rule"}, "X-Both": {"target"}, "X-Add": {"rule"}, "X-Gone": nil, "X-Twice": {"t"}} {
				if got := h.header[name]; !slices.Equal(got, want) {
					t.Errorf("%s: the request has %s %q, want %q", protocol, name, got, want)
				}
			}
		}
		for name, want := range map[string][]string{"X-Origin": {"rule"}, "X-More": {"1", "2"}} {
			if got := answer[name]; !slices.Equal(got, want) {
				t.Errorf("%s: the answer has %s %q, want %q", protocol, name, got, want)
			}
		}
	}
}

// The answers that a rule makes have the header edits of the rule.
func TestVirtualService_headersOfMadeAnswers(t *testing.T) {
	s := newStreet(t, "reviews")
	for _, action := range []string{"redirect: {uri: /x}", "directResponse: {status: 200, body: {string: '{}'}}"} {
		documents := forReviews("{headers: {response: {set: {content-type: application/json, x-by: mesh}}}, " + action + "}")
		_, h := s.overHTTP(t, s.open(t, s.web, documents), request{target: "/a"})
		if h.Get("X-By") != "mesh" || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: the answer has %v", action, h)
		}
	}
}

// Which document is in force for a host, and which rule for a call.
func TestVirtualService_precedence(t *testing.T) {
	s := newStreet(t, "reviews", "ratings")
	doc := func(meta, hosts, extra, subset string) string {
		return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {" + meta + "}\nspec: {hosts: [" + hosts + "], " + extra +
			"http: [{route: [{destination: {host: reviews.default.svc.cluster.local, subset: " + subset + "}}]}]}\n---\n"
	}
	for _, tt := range []struct {
		name, documents, host, want string
	}{
		{"exact before wildcard", doc("name: a", `"*.default.svc.cluster.local"`, "", "v1") + doc("name: b", "reviews", "", "v2"), "reviews", "v2"},
		{"longest wildcard", doc("name: a", `"*.cluster.local"`, "", "v1") + doc("name: b", `"*.default.svc.cluster.local"`, "", "v2"), "reviews", "v2"},
		{"wildcard alone", doc("name: a", `"*.example.com"`, "", "v2"), "a.b.example.com", "v2"},
		{"first name of two in a file", doc("name: b", "reviews", "", "v1") + doc("name: a", "reviews", "", "v2"), "reviews", "v2"},
		{"short name in the document's namespace", doc("name: a, namespace: shop", "reviews", "", "v1") + doc("name: b", "reviews", "", "v2"), "reviews", "v2"},
		{"not exported", doc("name: a", "reviews", "exportTo: [shop], ", "v1") + doc("name: b", "reviews", "", "v2"), "reviews", "v2"},
		{"exported from elsewhere", doc("name: a, namespace: shop", "reviews.default", "exportTo: [default], ", "v2"), "reviews", "v2"},
		{"for a gateway", doc("name: a", "reviews", "gateways: [front], ", "v1") + doc("name: b", "reviews", "gateways: [front, mesh], ", "v2"), "reviews", "v2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			documents := subsets + "\n---\n" + tt.documents
			for range 3 {
				if got, _ := s.overHTTP(t, s.open(t, s.web, documents), request{host: tt.host, target: "/a/b"}); !strings.HasPrefix(answered(got), "reviews "+tt.want+" ") {
					t.Errorf("over HTTP got %q, want %s", got, tt.want)
				}
				if got, _ := s.overGRPC(t, s.open(t, s.rpc, documents), request{host: tt.host, target: "/a/b"}); !strings.HasPrefix(answered(got), "reviews "+tt.want+" ") {
					t.Errorf("over gRPC got %q, want %s", got, tt.want)
				}
			}
		})
	}
}

// Delegates, weights, and the rest of what a rule's route can say.
func TestVirtualService_routes(t *testing.T) {
	s := newStreet(t, "reviews", "ratings")
	part := func(name, http string) string {
		return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + name + "}\nspec: {http: [" + http + "]}\n---\n"
	}
	for _, tt := range []struct {
		name, rules, more string
		call              request
		web, rpc          string
	}{
		{"delegate", "{match: [{uri: {prefix: /a/}}], delegate: {name: part}}, {" + toReviews + "}",
			part("part", "{match: [{uri: {prefix: /a/r}}], rewrite: {uri: /b/}, route: [{destination: {host: ratings, subset: v2}}]}"),
			request{target: "/a/rx"}, "200 ratings v2 /b/x reviews", "OK ratings v2 /b/x reviews"},
		{"past the delegate", "{match: [{uri: {prefix: /a/}}], delegate: {name: part}}, {" + toReviews + "}",
			part("part", "{match: [{uri: {prefix: /a/r}}], route: [{destination: {host: ratings, subset: v2}}]}"),
			request{target: "/a/sx"}, "200 reviews v1 /a/sx reviews", "OK reviews v1 /a/sx reviews"},
		{"weight of one counts not", "{route: [{destination: {host: reviews, subset: v2}, weight: 0}]}", "",
			request{target: "/a/b"}, "200 reviews v2 /a/b reviews", "OK reviews v2 /a/b reviews"},
		{"weight 0 of two", "{route: [{destination: {host: reviews, subset: v1}, weight: 0}, {destination: {host: reviews, subset: v2}, weight: 1}]}", "",
			request{target: "/a/b"}, "200 reviews v2 /a/b reviews", "OK reviews v2 /a/b reviews"},
		{"another service", "{route: [{destination: {host: ratings, subset: v1}}]}", "",
			request{target: "/a/b"}, "200 ratings v1 /a/b reviews", "OK ratings v1 /a/b reviews"},
		{"authority by a header", "{headers: {request: {set: {Host: other}}}, " + toReviews + "}", "",
			request{target: "/a/b"}, "200 reviews v1 /a/b other", "OK reviews v1 /a/b other"},
		{"authority by a destination's header", "{route: [{destination: {host: reviews, subset: v1}, headers: {request: {set: {':authority': other}}}}]}", "",
			request{target: "/a/b"}, "200 reviews v1 /a/b other", "OK reviews v1 /a/b other"},
		{"authority by rule and destination is the rule's", "{headers: {request: {set: {':authority': of-rule}}}, route: [{destination: {host: reviews, subset: v1}, headers: {request: {set: {Host: of-target}}}}]}", "",
			request{target: "/a/b"}, "200 reviews v1 /a/b of-rule", "OK reviews v1 /a/b of-rule"},
		{"fault before rewrite and mirror", "{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, mirror: {host: ratings}, rewrite: {uri: /x/}, " + toReviews + "}", "",
			request{target: "/a/b"}, "418 fault: injected abort\n", "Unknown fault: injected abort [FI]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			documents := subsets + "\n---\n" + strings.ReplaceAll(subsets, "reviews", "ratings") + "\n---\n" + forReviews(tt.rules) + tt.more
			if got, _ := s.overHTTP(t, s.open(t, s.web, documents), tt.call); got != tt.web {
				t.Errorf("over HTTP got %q, want %q", got, tt.web)
			}
			if got, _ := s.overGRPC(t, s.open(t, s.rpc, documents), tt.call); got != tt.rpc {
				t.Errorf("over gRPC got %q, want %q", got, tt.rpc)
			}
		})
	}
}

// A call that a fault aborts is neither mirrored nor rewritten; one of the same rule
// that is not aborted is both.
func TestVirtualService_faultComesFirst(t *testing.T) {
	s := newStreet(t, "reviews", "ratings")
	const rest = "mirror: {host: ratings}, rewrite: {uri: /x/}, " + toReviews + "}"
	documents := forReviews("{match: [{headers: {x-abort: {}}}], fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, " +
		rest + ", {" + rest)
	var path atomic.Value // of the last call, when it was over
	outermost := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			path.Store(c.Path)
			return err
		}
	}
	s.each(t, subsets+"\n---\n"+documents, func(t *testing.T, m *mesh.Mesh, call func(r request) string) {
		if got := call(request{target: "/a/b", header: []string{"x-abort", "1"}}); answered(got) != "fault: injected abort\n" && answered(got) != "fault: injected abort [FI]" {
			t.Errorf("got %q, want the fault", got)
		}
		if got := path.Load(); got != "/a/b" {
			t.Errorf("the aborted call has the path %q, want it as it was called", got)
		}
		if got := m.Mirrored(); got != (route.MirrorStats{}) {
			t.Errorf("the aborted call was mirrored: %+v", got)
		}
		call(request{target: "/a/b"})
		if got := path.Load(); got != "/x/a/b" {
			t.Errorf("the call that is not aborted has the path %q, want /x/a/b", got)
		}
		until(t, "the one copy arrives and ends", func() bool { return m.Mirrored() == route.MirrorStats{Sent: 1} })
		if got := s.take("ratings"); len(got) != 1 || got[0].path != "/x/a/b" {
			t.Errorf("ratings heard %+v, want one call of /x/a/b", got)
		}
		if got := s.take("reviews"); len(got) != 1 || got[0].path != "/x/a/b" {
			t.Errorf("reviews heard %+v, want one call of /x/a/b", got)
		}
	}, mesh.WithOutbound(outermost))
}
