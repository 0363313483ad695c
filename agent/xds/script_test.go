// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// key names a resource.
type key struct {
	kind xds.Kind
	name string
}

// watcher is one subscription.
type watcher struct {
	mu   sync.Mutex // held while told, so that news are told in order
	key  key
	f    func(xds.Resource)
	done bool
}

// script is a catalog that says what a test wants.
type script struct {
	ready chan struct{}

	mu       sync.Mutex // guards the fields below
	known    map[key]xds.Resource
	watchers map[key]map[xds.Watcher]*watcher
	asked    map[key]int
	probes   int
}

func newScript() *script {
	s := &script{ready: make(chan struct{}), known: map[key]xds.Resource{},
		watchers: map[key]map[xds.Watcher]*watcher{}, asked: map[key]int{}}
	close(s.ready)
	return s
}

func (s *script) Ready() <-chan struct{} { return s.ready }

func (s *script) Watch(_ *xds.Node, k xds.Kind, name string, to xds.Watcher) {
	w := &watcher{key: key{k, name}, f: to.Hear}
	w.mu.Lock()
	s.mu.Lock()
	if s.watchers[w.key] == nil {
		s.watchers[w.key] = map[xds.Watcher]*watcher{}
	}
	s.watchers[w.key][to] = w
	s.asked[w.key]++
	var now []xds.Resource
	if r, ok := s.known[w.key]; ok {
		now = append(now, r)
	}
	if name == xds.All {
		for have, r := range s.known {
			if have.kind == k {
				now = append(now, r)
			}
		}
	}
	s.mu.Unlock()
	for _, r := range now {
		w.f(r)
	}
	w.mu.Unlock()
}

func (s *script) Unwatch(_ *xds.Node, k xds.Kind, name string, to xds.Watcher) {
	s.mu.Lock()
	w := s.watchers[key{k, name}][to]
	delete(s.watchers[key{k, name}], to)
	s.mu.Unlock()
	w.mu.Lock()
	w.done = true
	w.mu.Unlock()
}

// set makes rs what the catalog knows.
func (s *script) set(rs ...xds.Resource) {
	for _, r := range rs {
		k := key{r.Kind, r.Name}
		s.mu.Lock()
		s.known[k] = r
		to := map[xds.Watcher]*watcher{}
		maps.Copy(to, s.watchers[k])
		maps.Copy(to, s.watchers[key{r.Kind, xds.All}])
		s.mu.Unlock()
		for _, w := range to {
			w.mu.Lock()
			if !w.done {
				w.f(r)
			}
			w.mu.Unlock()
		}
	}
}

// gone says that there is no such resource.
func gone(k xds.Kind, name string) xds.Resource { return xds.Resource{Kind: k, Name: name} }

// probe is a name that nothing has had.
func (s *script) probe() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probes++
	return fmt.Sprintf("probe %d", s.probes)
}

// watching is how many subscriptions there are.
func (s *script) watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, ws := range s.watchers {
		n += len(ws)
	}
	return n
}

// resource makes one of a message.
func resource(k xds.Kind, name string, m proto.Message) xds.Resource {
	body := packed(m)
	sum := xxhash.Sum64(body.GetValue())
	return xds.Resource{Kind: k, Name: name, Version: hex.EncodeToString(fmt.Appendf(nil, "%x", sum)), Body: body}
}

// packed marshals in one order.
func packed(m proto.Message) *anypb.Any {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return &anypb.Any{TypeUrl: "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName()), Value: b}
}

func adsSource() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
}

// listenerOf is a client's listener whose routes are those named.
func listenerOf(name, route string) xds.Resource {
	return resource(xds.Listener, name, &listenerv3.Listener{Name: name, ApiListener: &listenerv3.ApiListener{
		ApiListener: packed(&hcmv3.HttpConnectionManager{
			RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{ConfigSource: adsSource(), RouteConfigName: route}},
			HttpFilters: []*hcmv3.HttpFilter{{
				Name: "router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&routerv3.Router{})},
			}},
		}),
	}})
}

// routeOf leads all calls to a cluster.
func routeOf(name, cluster string) xds.Resource {
	return resource(xds.Route, name, &routev3.RouteConfiguration{Name: name, VirtualHosts: []*routev3.VirtualHost{{
		Name: name, Domains: []string{"*"}, Routes: []*routev3.Route{{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}},
		}},
	}}})
}

// clusterOf is an EDS cluster; a policy other than ROUND_ROBIN, RING_HASH and
// LEAST_REQUEST is refused by clients.
func clusterOf(name string, policy clusterv3.Cluster_LbPolicy) xds.Resource {
	return resource(xds.Cluster, name, &clusterv3.Cluster{
		Name: name, LbPolicy: policy,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: adsSource()},
	})
}

// endpointsOf are the addresses of a cluster, in one locality.
func endpointsOf(name string, addrs ...string) xds.Resource {
	eps := make([]*endpointv3.LbEndpoint, 0, len(addrs))
	for _, a := range addrs {
		ap := netip.MustParseAddrPort(a)
		eps = append(eps, &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: ap.Addr().String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(ap.Port())},
			}}},
		}}})
	}
	return resource(xds.Endpoints, name, &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{
		Locality: &corev3.Locality{Zone: "a"}, LoadBalancingWeight: wrapperspb.UInt32(1), LbEndpoints: eps,
	}}})
}

// serviceOf is all that a client of a service needs.
func serviceOf(name string, addrs ...string) []xds.Resource {
	return []xds.Resource{
		listenerOf(name, name), routeOf(name, name),
		clusterOf(name, clusterv3.Cluster_ROUND_ROBIN), endpointsOf(name, addrs...),
	}
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	eventuallyWithin(t, what, 20*time.Second, ok)
}

func eventuallyWithin(t testing.TB, what string, most time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("after %v: still not so: %s", most, what)
}
