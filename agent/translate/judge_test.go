// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	listenerpb "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	managerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discoverypb "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
)

// judge asks grpc-go's own client what it thinks of resources: the client, which is
// connected all the time, says ACK or NACK to each response.
type judge struct {
	discoverypb.UnimplementedAggregatedDiscoveryServiceServer
	base  map[agentxds.Kind][]*anypb.Any // what the client has asked for
	asks  chan question
	ready chan struct{}
}

type question struct {
	kind agentxds.Kind
	what []*anypb.Any
	nack chan string
}

// newJudge serves a client the resources of the service "base" and then what it is to judge.
func newJudge(t testing.TB) *judge {
	t.Helper()
	j := &judge{base: map[agentxds.Kind][]*anypb.Any{}, asks: make(chan question), ready: make(chan struct{})}
	c, registry := open(t, translate.Config{}, "")
	registry.Set("base")
	n := &agentxds.Node{Client: "gRPC Go"}
	name := "outbound|0||base.default.svc.cluster.local"
	for k, name := range map[agentxds.Kind]string{agentxds.Listener: "base", agentxds.Route: "base", agentxds.Cluster: name, agentxds.Endpoints: name} {
		j.base[k] = []*anypb.Any{resource(t, c, n, k, name)}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(1 << 26))
	discoverypb.RegisterAggregatedDiscoveryServiceServer(s, j)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	cc := (&plane{addr: l.Addr().String()}).xdsClient(t, "base", `,"certificate_providers":{"default":{"plugin_name":"file_watcher","config":{"ca_certificate_file":"roots.pem","refresh_interval":"600s"}}}`)
	cc.Connect()
	select {
	case <-j.ready:
	case <-time.After(20 * time.Second):
		t.Fatal("the client has not asked for everything")
	}
	return j
}

func (j *judge) StreamAggregatedResources(s discoverypb.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	requests := make(chan *discoverypb.DiscoveryRequest)
	go func() {
		defer close(requests)
		for {
			r, err := s.Recv()
			if err != nil {
				return
			}
			select {
			case requests <- r:
			case <-s.Context().Done():
				return
			}
		}
	}()
	nonce, asked := 0, map[string]bool{}
	waiting := map[string]chan string{}
	asks := j.asks
	send := func(k agentxds.Kind, what []*anypb.Any) string {
		nonce++
		_ = s.Send(&discoverypb.DiscoveryResponse{TypeUrl: k.TypeURL(), VersionInfo: fmt.Sprint(nonce), Nonce: fmt.Sprint(nonce), Resources: what}) // no answer says that it failed
		return fmt.Sprint(nonce)
	}
	for {
		select {
		case r, ok := <-requests:
			if !ok {
				return nil
			}
			if answer := waiting[r.GetResponseNonce()]; answer != nil {
				answer <- r.GetErrorDetail().GetMessage()
				delete(waiting, r.GetResponseNonce())
			}
			if url := r.GetTypeUrl(); !asked[url] && len(r.GetResourceNames()) > 0 {
				asked[url] = true
				send(kinds[url], j.base[kinds[url]])
				if len(asked) == len(kinds) {
					close(j.ready)
				}
			}
		case q := <-asks:
			waiting[send(q.kind, append(slices.Clone(j.base[q.kind]), q.what...))] = q.nack
		}
	}
}

// say is what the client has against resources of a kind; "": nothing.
func (j *judge) say(t testing.TB, k agentxds.Kind, what []*anypb.Any) string {
	t.Helper()
	q := question{k, what, make(chan string, 1)}
	j.asks <- q
	select {
	case nack := <-q.nack:
		return nack
	case <-time.After(20 * time.Second):
		t.Fatalf("no answer about %d resources of kind %v", len(what), k)
		return ""
	}
}

// everything is all resources that a client needs which dials names, and a server's
// listener besides.
func everything(t testing.TB, c *translate.Catalog, n *agentxds.Node, names ...string) map[agentxds.Kind][]*anypb.Any {
	t.Helper()
	out := map[agentxds.Kind][]*anypb.Any{}
	clusters := map[string]bool{}
	for _, name := range names {
		listener := resource(t, c, n, agentxds.Listener, name)
		out[agentxds.Listener] = append(out[agentxds.Listener], listener)
		if inbound(listener) {
			continue
		}
		made := resource(t, c, n, agentxds.Route, name)
		out[agentxds.Route] = append(out[agentxds.Route], made)
		for _, cluster := range clustersOf(t, made) {
			clusters[cluster] = true
		}
	}
	for name := range clusters {
		out[agentxds.Cluster] = append(out[agentxds.Cluster], resource(t, c, n, agentxds.Cluster, name))
		out[agentxds.Endpoints] = append(out[agentxds.Endpoints], resource(t, c, n, agentxds.Endpoints, name))
	}
	return out
}

func inbound(a *anypb.Any) bool {
	l := &listenerpb.Listener{}
	return a.UnmarshalTo(l) == nil && l.GetApiListener() == nil
}

// clustersOf are the clusters that routes lead to.
func clustersOf(t testing.TB, a *anypb.Any) []string {
	t.Helper()
	var names []string
	for _, r := range routesOf(t, a).GetVirtualHosts()[0].GetRoutes() {
		if name := r.GetRoute().GetCluster(); name != "" {
			names = append(names, name)
		}
		for _, w := range r.GetRoute().GetWeightedClusters().GetClusters() {
			names = append(names, w.GetName())
		}
	}
	return names
}

func routesOf(t testing.TB, a *anypb.Any) *routepb.RouteConfiguration {
	t.Helper()
	out := &routepb.RouteConfiguration{}
	if err := a.UnmarshalTo(out); err != nil {
		t.Fatal(err)
	}
	return out
}

func managerOf(t testing.TB, a *anypb.Any) *managerpb.HttpConnectionManager {
	t.Helper()
	l, m := &listenerpb.Listener{}, &managerpb.HttpConnectionManager{}
	if err := a.UnmarshalTo(l); err != nil {
		t.Fatal(err)
	}
	body := l.GetApiListener().GetApiListener()
	if body == nil {
		body = l.GetFilterChains()[0].GetFilters()[0].GetTypedConfig()
	}
	if err := body.UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
	return m
}
