// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"strings"
	"testing"
	"time"

	listenerpb "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	managerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
)

const reviewsPolicy = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {exact: /a.A/Slow}}]
    timeout: 50ms
    route: [{destination: {host: reviews, subset: v1}}]
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - match: [{withoutHeaders: {x-canary: {exact: "no"}}, uri: {exact: /a.A/Without}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - match: [{uri: {prefix: /broken.}}]
    fault: {abort: {grpcStatus: ABORTED, percentage: {value: 100}}}
    route: [{destination: {host: reviews, subset: v1}}]
  - match: [{uri: {prefix: /moved.}}]
    redirect: {uri: /elsewhere}
  - route: [{destination: {host: reviews, subset: v1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: LEAST_REQUEST}
    outlierDetection: {consecutive5xxErrors: 3}
    connectionPool: {http: {http2MaxRequests: 100}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`

func TestClient_isRoutedByPolicy(t *testing.T) {
	c, registry := open(t, translate.Config{}, reviewsPolicy)
	registry.Set("reviews",
		discovery.Endpoint{Addrs: []string{backend(t, "one")}, Labels: map[string]string{"version": "v1"}},
		discovery.Endpoint{Addrs: []string{backend(t, "two")}, Labels: map[string]string{"version": "v2"}},
	)
	p := servePlane(t, c)
	for _, target := range []string{"reviews", "reviews.default", "reviews:9080", "reviews.default.svc.cluster.local:9080"} {
		cc := p.dial(t, target)
		for _, tc := range []struct {
			method string
			header []string
			want   string
		}{
			{"/a.A/Get", nil, "one"},
			{"/a.A/Get", []string{"end-user", "jason"}, "two"},
			{"/a.A/Get", []string{"end-user", "ada"}, "one"},
			{"/a.A/Without", nil, "two"},
			{"/a.A/Without", []string{"x-canary", "yes"}, "two"},
			{"/a.A/Without", []string{"x-canary", "no"}, "one"},
		} {
			if got, err := call(t, cc, tc.method, tc.header...); got != tc.want || err != nil {
				t.Errorf("%s %s %q: %q, %v, want %q", target, tc.method, tc.header, got, err, tc.want)
			}
		}
		for method, want := range map[string]codes.Code{
			"/broken.B/Get": codes.Aborted, "/moved.M/Get": codes.Unavailable, "/a.A/Slow": codes.DeadlineExceeded,
		} {
			if _, err := call(t, cc, method, "sleep", "yes"); status.Code(err) != want {
				t.Errorf("%s %s: %v, want %v", target, method, err, want)
			}
		}
	}
	if n := p.rejected(); len(n) > 0 {
		t.Errorf("the client has rejected: %q", n)
	}
}

func TestClient_ofAnUnknownServiceFailsAtOnce(t *testing.T) {
	c, _ := open(t, translate.Config{}, "")
	cc := servePlane(t, c).dial(t, "nowhere:80")
	start := time.Now()
	if _, err := call(t, cc, "/a.A/Get"); status.Code(err) != codes.Unavailable || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v, want UNAVAILABLE at once", err, time.Since(start))
	}
	const why = "no registry and no VirtualService knows the service nowhere.default.svc.cluster.local"
	if n := c.Notes(); len(n) != 1 || !strings.Contains(n[0].String(), "rejected: nowhere:80: "+why) {
		t.Errorf("got the notes %q, want one that says why", n)
	}
	for _, language := range []string{"gRPC Go", "gRPC Node Pure JS"} {
		listener, manager := &listenerpb.Listener{}, &managerpb.HttpConnectionManager{}
		err := resource(t, c, &agentxds.Node{Client: language}, agentxds.Listener, "nowhere:80").UnmarshalTo(listener)
		if err == nil {
			err = listener.GetApiListener().GetApiListener().UnmarshalTo(manager)
		}
		if got := manager.GetRouteConfig().GetName(); err != nil || !strings.HasPrefix(got, "enmesh: "+why) {
			t.Errorf("%s: the routes are called %q, %v, want the reason", language, got, err)
		}
	}
}
