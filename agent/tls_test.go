// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// ask sends one request of a node to an agent, and gives the first answer.
func ask(t testing.TB, addr string, creds credentials.TransportCredentials) (*discoveryv3.DiscoveryResponse, error) {
	t.Helper()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(cc).StreamAggregatedResources(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&discoveryv3.DiscoveryRequest{
		Node: &corev3.Node{Id: "elsewhere"}, TypeUrl: xds.Listener.TypeURL(), ResourceNames: []string{"reviews:80"},
	})
	if err != nil {
		return nil, err
	}
	return stream.Recv()
}

func TestAgent_servesOtherHostsByMutualTLS(t *testing.T) {
	authority := development(t, ca.Config{})
	source := func(name string) security.Source {
		s, err := authority.Source("default", name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	registry := discovery.NewMemory()
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{"127.0.0.1:1"}})
	a := start(t, agent.Config{Resolver: registry, ListenTLS: "127.0.0.1:0", Identity: source("agent")})
	addr := a.AddrTLS().String()

	secure := credentials.NewTLS(mtls.Client(source("web"), account("agent"), mtls.Protocols("h2")))
	if r, err := ask(t, addr, secure); err != nil || len(r.GetResources()) != 1 {
		t.Fatalf("got %v, %v, want a listener", r, err)
	}
	c := a.Status().Clients[0]
	if c.Peer.ID != account("web").String() || c.ServiceAccount != "web" || c.Namespace != "default" {
		t.Errorf("got %+v, want who its certificate says", c)
	}
	if r, err := ask(t, addr, insecure.NewCredentials()); err == nil {
		t.Errorf("in plaintext: got %v, want nothing", r)
	}
}
