// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerpb "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	faultpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	routerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	managerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh/policy"
)

const (
	faultFilter  = "envoy.filters.http.fault"
	routerFilter = "envoy.filters.http.router"
)

// ads says that a resource comes on the stream that the one that names it came on.
func ads() *corepb.ConfigSource {
	return &corepb.ConfigSource{
		ConfigSourceSpecifier: &corepb.ConfigSource_Ads{Ads: &corepb.AggregatedConfigSource{}},
		ResourceApiVersion:    corepb.ApiVersion_V3,
	}
}

func filter(name string, config proto.Message) *managerpb.HttpFilter {
	return &managerpb.HttpFilter{Name: name, ConfigType: &managerpb.HttpFilter_TypedConfig{TypedConfig: packed(config)}}
}

// clientListener is what a client asks for by the name that it dials. Its routes have the
// same name.
func clientListener(name string) *listenerpb.Listener {
	return apiListener(name, &managerpb.HttpConnectionManager{
		RouteSpecifier: &managerpb.HttpConnectionManager_Rds{Rds: &managerpb.Rds{ConfigSource: ads(), RouteConfigName: name}},
	})
}

// failingListener has no route: calls end at once with UNAVAILABLE. What a client says of
// it is its own; the reason stands in the name of the routes, where its configuration is
// shown.
func failingListener(client policy.Enforcer, name, why string) *listenerpb.Listener {
	return apiListener(name, &managerpb.HttpConnectionManager{
		RouteSpecifier: &managerpb.HttpConnectionManager_RouteConfig{RouteConfig: failingRoutes(client, "enmesh: "+why)},
	})
}

// failingRoutes are routes that no call can take: there is no virtual host to look for them in.
// Node's client would wait for one until the call's deadline, and gets one without routes,
// which others may reject.
func failingRoutes(client policy.Enforcer, name string) *routepb.RouteConfiguration {
	out := &routepb.RouteConfiguration{Name: name}
	if client == policy.GRPCNode {
		out.VirtualHosts = []*routepb.VirtualHost{{Name: name, Domains: []string{"*"}}}
	}
	return out
}

func everything() *routepb.RouteMatch {
	return &routepb.RouteMatch{PathSpecifier: &routepb.RouteMatch_Prefix{}}
}

func apiListener(name string, manager *managerpb.HttpConnectionManager) *listenerpb.Listener {
	manager.HttpFilters = []*managerpb.HttpFilter{
		filter(faultFilter, &faultpb.HTTPFault{}),
		filter(routerFilter, &routerpb.Router{}),
	}
	return &listenerpb.Listener{Name: name, ApiListener: &listenerpb.ApiListener{ApiListener: packed(manager)}}
}
