// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoverypb "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// kinds are by their type URLs.
var kinds = func() map[string]agentxds.Kind {
	out := map[string]agentxds.Kind{}
	for _, k := range []agentxds.Kind{agentxds.Listener, agentxds.Route, agentxds.Cluster, agentxds.Endpoints} {
		out[k.TypeURL()] = k
	}
	return out
}()

// plane is a small control plane over a catalog, for clients that nobody here wrote. It
// serves the whole set of each type on each change.
type plane struct {
	discoverypb.UnimplementedAggregatedDiscoveryServiceServer
	catalog agentxds.Catalog
	addr    string

	mu    sync.Mutex // guards nacks
	nacks []string
}

func servePlane(t testing.TB, c agentxds.Catalog) *plane {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &plane{catalog: c, addr: l.Addr().String()}
	s := grpc.NewServer()
	discoverypb.RegisterAggregatedDiscoveryServiceServer(s, p)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return p
}

func (p *plane) rejected() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.nacks...)
}

// subscription is one type on one stream.
type subscription struct {
	stops map[string]func()
	now   map[string]agentxds.Resource
	sent  int
}

type change struct {
	url string
	agentxds.Resource
}

func (p *plane) StreamAggregatedResources(s discoverypb.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
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
	changes := make(chan change, 10_000)
	subs := map[string]*subscription{}
	var node *agentxds.Node
	defer func() {
		for _, sub := range subs {
			for _, stop := range sub.stops {
				stop()
			}
		}
	}()
	for {
		select {
		case r, ok := <-requests:
			if !ok {
				return nil
			}
			if r.GetNode() != nil {
				node = nodeOf(r.GetNode())
			}
			if e := r.GetErrorDetail(); e != nil {
				p.mu.Lock()
				p.nacks = append(p.nacks, r.GetTypeUrl()+": "+e.GetMessage())
				p.mu.Unlock()
			}
			sub := subs[r.GetTypeUrl()]
			if sub == nil {
				sub = &subscription{stops: map[string]func(){}, now: map[string]agentxds.Resource{}}
				subs[r.GetTypeUrl()] = sub
			}
			p.subscribe(node, r, sub, changes)
		case c := <-changes:
			sub := subs[c.url]
			if _, wanted := sub.stops[c.Name]; !wanted {
				continue
			}
			sub.now[c.Name] = c.Resource
			if err := sub.send(s, c.url); err != nil {
				return err
			}
		}
	}
}

func (p *plane) subscribe(node *agentxds.Node, r *discoverypb.DiscoveryRequest, sub *subscription, changes chan<- change) {
	wanted := map[string]bool{}
	for _, name := range r.GetResourceNames() {
		wanted[name] = true
		if sub.stops[name] == nil {
			url := r.GetTypeUrl()
			sub.stops[name] = watch(p.catalog, node, kinds[url], name, func(r agentxds.Resource) { changes <- change{url, r} })
		}
	}
	for name, stop := range sub.stops {
		if !wanted[name] {
			stop()
			delete(sub.stops, name)
			delete(sub.now, name)
		}
	}
}

func (sub *subscription) send(s discoverypb.AggregatedDiscoveryService_StreamAggregatedResourcesServer, url string) error {
	sub.sent++
	out := &discoverypb.DiscoveryResponse{TypeUrl: url, VersionInfo: fmt.Sprint(sub.sent), Nonce: fmt.Sprint(sub.sent)}
	for _, r := range sub.now {
		if r.Body != nil {
			out.Resources = append(out.Resources, r.Body)
		}
	}
	return s.Send(out)
}

func nodeOf(n *corepb.Node) *agentxds.Node {
	m := n.GetMetadata().AsMap()
	out := &agentxds.Node{
		ID: n.GetId(), Cluster: n.GetCluster(), Client: n.GetUserAgentName(), Version: n.GetUserAgentVersion(),
		Region: n.GetLocality().GetRegion(), Zone: n.GetLocality().GetZone(), SubZone: n.GetLocality().GetSubZone(),
		Metadata: m, Labels: map[string]string{},
	}
	out.Namespace, _ = m["NAMESPACE"].(string)
	labels, _ := m["LABELS"].(map[string]any)
	for k, v := range labels {
		out.Labels[k], _ = v.(string)
	}
	return out
}

// bootstrap is the bootstrap file of a workload in the namespace default.
func (p *plane) bootstrap(more string) []byte {
	return []byte(`{"xds_servers":[{"server_uri":"` + p.addr + `","channel_creds":[{"type":"insecure"}]}],
		"node":{"id":"n1","cluster":"c","locality":{"region":"eu","zone":"a"},"metadata":{"NAMESPACE":"default","LABELS":{"app":"web"}}},
		"server_listener_resource_name_template":"` + translate.ServerListenerTemplate + `"` + more + `}`)
}

// dial is an unmodified client of gRPC.
func (p *plane) dial(t testing.TB, target string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	b, err := xds.NewXDSResolverWithConfigForTesting(p.bootstrap(""))
	if err != nil {
		t.Fatal(err)
	}
	opts = append([]grpc.DialOption{grpc.WithResolvers(b), grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)
	cc, err := grpc.NewClient("xds:///"+target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// backend answers every call with its name in the header "who".
func backend(t testing.TB, name string, opts ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(append(opts, grpc.UnknownServiceHandler(answer(name)))...)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func answer(name string) grpc.StreamHandler {
	return func(_ any, s grpc.ServerStream) error {
		if err := s.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		md, _ := metadata.FromIncomingContext(s.Context())
		if v := md.Get("fail"); len(v) > 0 {
			return status.Error(codes.Unavailable, name+" fails as asked")
		}
		if v := md.Get("sleep"); len(v) > 0 {
			<-s.Context().Done()
			return s.Context().Err()
		}
		_ = s.SetHeader(metadata.Pairs("who", name))
		return s.SendMsg(&emptypb.Empty{})
	}
}

// call says who answered.
func call(t testing.TB, cc *grpc.ClientConn, method string, kv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), kv...), 10*time.Second)
	defer cancel()
	var head metadata.MD
	if err := cc.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.Header(&head)); err != nil {
		return "", err
	}
	return head.Get("who")[0], nil
}

func parse(t testing.TB, text string) *policy.Snapshot {
	t.Helper()
	s, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open makes a catalog with policy, over a registry in memory.
func open(t testing.TB, cfg translate.Config, text string) (*translate.Catalog, *discovery.Memory) {
	t.Helper()
	registry := discovery.NewMemory()
	if cfg.Endpoints == nil {
		cfg.Endpoints = registry
	}
	if cfg.DNS == nil {
		cfg.DNS = anywhere{}
	}
	c, err := translate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.SetPolicy(parse(t, text))
	c.Start()
	return c, registry
}

// hearing is a watcher that a function is.
type hearing struct{ f func(agentxds.Resource) }

func (h *hearing) Hear(r agentxds.Resource) { h.f(r) }

// watch has f told until stop.
func watch(c agentxds.Catalog, n *agentxds.Node, k agentxds.Kind, name string, f func(agentxds.Resource)) (stop func()) {
	w := &hearing{f}
	c.Watch(n, k, name, w)
	return func() { c.Unwatch(n, k, name, w) }
}

// resource is what a node gets now.
func resource(t testing.TB, c *translate.Catalog, n *agentxds.Node, k agentxds.Kind, name string) *anypb.Any {
	t.Helper()
	got := make(chan agentxds.Resource, 100)
	stop := watch(c, n, k, name, func(r agentxds.Resource) { got <- r })
	defer stop()
	select {
	case r := <-got:
		return r.Body
	case <-time.After(10 * time.Second):
		t.Fatalf("no %v %q", k, name)
		return nil
	}
}
