// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"strconv"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerpb "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	managerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// inbound is the listener of a server: how its connections are secured, and which calls
// it takes.
func (c *Catalog) inbound(e *entry, n *notes) xds.Resource {
	host, port, ok := listening(e.name)
	if !ok {
		n.add(policy.Rejected, "", "the name has no address that a server could listen on")
		return missing(xds.Listener, e.name)
	}
	s := &server{cfg: &c.cfg, notes: n, account: e.namespace}
	var filters []*managerpb.HttpFilter
	var transport *corepb.TransportSocket
	if e.view.policy == nil {
		n.add(policy.Rejected, "", noPolicy+": every call is denied")
		filters = denyAll()
	} else {
		s.security = &e.view.policy.Security
		var refused bool
		transport, refused = s.transport(port)
		if filters = s.authorization(); refused {
			filters = denyAll()
		}
	}
	return encode(xds.Listener, e.name, serverListener(e.name, host, port, transport, filters))
}

// server makes the listener of one.
type server struct {
	cfg      *Config
	security *policy.Security
	notes    *notes
	account  string // the namespace of service accounts that name none
}

// transport is how a server's connections are secured: nil, in plaintext. refused: not as
// they should be, so that no call may be taken.
func (s *server) transport(port uint16) (socket *corepb.TransportSocket, refused bool) {
	mode, origin, said := s.security.Peers.Of(port)
	certified := s.cfg.Certificates != ""
	at := "port " + strconv.Itoa(int(port)) + ": "
	switch {
	case said && mode == mtls.Disable:
		return nil, false
	case said && mode == mtls.Strict && !certified:
		s.notes.add(policy.Rejected, origin, at+"STRICT needs certificates, and workloads have none: every call is denied")
		return nil, true
	case said && mode == mtls.Strict:
	case said && mode == mtls.Permissive && certified:
		s.notes.add(policy.Rejected, origin, at+"gRPC's servers cannot be PERMISSIVE: this one is STRICT")
	case said && mode == mtls.Permissive:
		s.notes.add(policy.Approximated, origin, at+"PERMISSIVE: without certificates everything is plaintext")
	case certified:
		s.notes.add(policy.Approximated, "", at+"without a PeerAuthentication Istio is PERMISSIVE, which gRPC's servers cannot be: this one is STRICT")
	default:
		s.notes.add(policy.Approximated, "", at+"workloads have no certificates: everything is plaintext")
	}
	if !certified {
		return nil, false
	}
	return downstream(s.cfg.Certificates), false
}

func serverListener(name, host string, port uint16, transport *corepb.TransportSocket, filters []*managerpb.HttpFilter) *listenerpb.Listener {
	manager := &managerpb.HttpConnectionManager{
		RouteSpecifier: &managerpb.HttpConnectionManager_RouteConfig{RouteConfig: &routepb.RouteConfiguration{
			Name: name,
			VirtualHosts: []*routepb.VirtualHost{{Name: name, Domains: []string{"*"}, Routes: []*routepb.Route{{
				Match: everything(), Action: &routepb.Route_NonForwardingAction{NonForwardingAction: &routepb.NonForwardingAction{}},
			}}}},
		}},
		HttpFilters: append(filters, filter(routerFilter, &routerpb.Router{})),
	}
	return &listenerpb.Listener{
		Name: name,
		Address: &corepb.Address{Address: &corepb.Address_SocketAddress{SocketAddress: &corepb.SocketAddress{
			Address: host, PortSpecifier: &corepb.SocketAddress_PortValue{PortValue: uint32(port)},
		}}},
		FilterChains: []*listenerpb.FilterChain{{
			Name: name, TransportSocket: transport,
			Filters: []*listenerpb.Filter{{
				Name:       "envoy.filters.network.http_connection_manager",
				ConfigType: &listenerpb.Filter_TypedConfig{TypedConfig: packed(manager)},
			}},
		}},
	}
}
