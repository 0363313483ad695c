// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// delta is a client of the incremental form, on a real connection.
type delta struct {
	t      testing.TB
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
}

func dialDelta(t testing.TB, addr string) *delta {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	st, err := discoveryv3.NewAggregatedDiscoveryServiceClient(dialed(t, addr)).DeltaAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &delta{t, st}
}

func (d *delta) send(m *discoveryv3.DeltaDiscoveryRequest) {
	d.t.Helper()
	m.Node = &corev3.Node{Id: "n"}
	if err := d.stream.Send(m); err != nil {
		d.t.Fatalf("send: %v", err)
	}
}

// hears accepts the next response, which has just these resources and removals.
func (d *delta) hears(rs ...xds.Resource) {
	d.t.Helper()
	m, err := d.stream.Recv()
	if err != nil {
		d.t.Fatalf("the stream ended: %v", err)
	}
	var got, want []string
	for _, r := range m.GetResources() {
		got = append(got, fmt.Sprintf("%s %s %s %x", m.GetTypeUrl(), r.GetName(), r.GetVersion(), r.GetResource().GetValue()))
	}
	for _, n := range m.GetRemovedResources() {
		got = append(got, fmt.Sprint(m.GetTypeUrl(), " no ", n))
	}
	for _, r := range rs {
		if r.Body == nil {
			want = append(want, fmt.Sprint(r.Kind.TypeURL(), " no ", r.Name))
			continue
		}
		want = append(want, fmt.Sprintf("%s %s %s %x", r.Kind.TypeURL(), r.Name, r.Version, r.Body.GetValue()))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		d.t.Fatalf("got %q, want %q", got, want)
	}
	d.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: m.GetTypeUrl(), ResponseNonce: m.GetNonce()})
}

func (d *delta) ask(k xds.Kind, names ...string) {
	d.t.Helper()
	d.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.TypeURL(), ResourceNamesSubscribe: names})
}

func TestDeltaADS_sendsWhatChanged(t *testing.T) {
	cat := newScript()
	a, b := cluster("a"), cluster("b")
	ea, eb := endpointsOf("a", "127.0.0.1:1"), endpointsOf("b", "127.0.0.1:2")
	cat.set(a, b, ea, eb)
	denied := errors.New("it is another's")
	s, addr := serve(t, xds.Config{Catalog: cat, Allow: func(_ *xds.Node, _ xds.Kind, name string) error {
		if name == "secret" {
			return denied
		}
		return nil
	}})
	cat.set(cluster("secret"))
	d := dialDelta(t, addr)
	d.ask(xds.Cluster, "a", "b")
	d.hears(a, b)
	d.ask(xds.Endpoints, "a", "b")
	d.hears(ea, eb)
	d.ask(xds.Cluster, "secret")
	d.hears(gone(xds.Cluster, "secret"))
	eventually(t, "the answers are known", func() bool {
		return statusOf(s, "n", xds.Endpoints, "b").State == xds.Accepted && statusOf(s, "n", xds.Cluster, "secret").State == xds.Denied
	})

	eb2 := endpointsOf("b", "127.0.0.1:3")
	cat.set(eb2)
	d.hears(eb2) // and nothing of a
	cat.set(gone(xds.Endpoints, "a"), gone(xds.Cluster, "a"))
	d.hears(gone(xds.Cluster, "a"))
	d.hears(gone(xds.Endpoints, "a"))

	// Another server with the same content: what the client has is not sent again.
	_, addr = serve(t, xds.Config{Catalog: cat})
	d = dialDelta(t, addr)
	d.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: xds.Endpoints.TypeURL(), ResourceNamesSubscribe: []string{"a", "b", "c"},
		InitialResourceVersions: map[string]string{"a": ea.Version, "b": eb2.Version},
	})
	d.hears(gone(xds.Endpoints, "a"))
	ec := endpointsOf("c", "127.0.0.1:4")
	cat.set(ec)
	d.hears(ec)
}

func TestDeltaADS_isBounded(t *testing.T) {
	_, addr := serve(t, xds.Config{Catalog: newScript(), Limits: xds.Limits{Names: 2}})
	d := dialDelta(t, addr)
	d.ask(xds.Endpoints, "a", "b")
	d.ask(xds.Endpoints, "c")
	if m, err := d.stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v, %v, want RESOURCE_EXHAUSTED", m, err)
	}

	d = dialDelta(t, addr)
	if err := d.stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.Endpoints.TypeURL()}); err != nil {
		t.Fatal(err)
	}
	if m, err := d.stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("without a node: got %v, %v, want INVALID_ARGUMENT", m, err)
	}
}
