// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// raw is a client that says what a test wants, in any order.
type raw struct {
	t      testing.TB
	node   string
	stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	got    chan *discoveryv3.DiscoveryResponse
	end    chan error
	close  func()
}

func dialed(t testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(addr, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// dial opens a stream and reads all that comes.
func dial(t testing.TB, addr, node string) *raw {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	st, err := discoveryv3.NewAggregatedDiscoveryServiceClient(dialed(t, addr)).StreamAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{t: t, node: node, stream: st, got: make(chan *discoveryv3.DiscoveryResponse, 100), end: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := st.Recv()
			if err != nil {
				r.end <- err
				return
			}
			select {
			case r.got <- m:
			case <-ctx.Done():
			}
		}
	}()
	r.close = func() { cancel(); <-done }
	t.Cleanup(r.close)
	return r
}

// ask sends a request that answers none.
func (r *raw) ask(k xds.Kind, names ...string) { r.send(k, "", "", "", names...) }

// ack accepts m and asks for names.
func (r *raw) ack(m *discoveryv3.DiscoveryResponse, names ...string) {
	k, _ := xds.KindOf(m.GetTypeUrl())
	r.send(k, m.GetVersionInfo(), m.GetNonce(), "", names...)
}

// nack refuses m.
func (r *raw) nack(m *discoveryv3.DiscoveryResponse, why string, names ...string) {
	k, _ := xds.KindOf(m.GetTypeUrl())
	r.send(k, "", m.GetNonce(), why, names...)
}

func (r *raw) send(k xds.Kind, version, nonce, why string, names ...string) {
	r.t.Helper()
	req := &discoveryv3.DiscoveryRequest{
		TypeUrl: k.TypeURL(), VersionInfo: version, ResponseNonce: nonce, ResourceNames: names, Node: &corev3.Node{Id: r.node},
	}
	if why != "" {
		req.ErrorDetail = &statuspb.Status{Code: int32(codes.InvalidArgument), Message: why}
	}
	if err := r.stream.Send(req); err != nil {
		r.t.Fatalf("send: %v", err)
	}
}

// next is the next response.
func (r *raw) next() *discoveryv3.DiscoveryResponse {
	r.t.Helper()
	select {
	case m := <-r.got:
		return m
	case err := <-r.end:
		r.end <- err
		r.t.Fatalf("the stream ended: %v", err)
	case <-time.After(10 * time.Second):
		r.t.Fatal("no response within 10 s")
	}
	return nil
}

// wants holds that the next response has just these resources.
func (r *raw) wants(rs ...xds.Resource) *discoveryv3.DiscoveryResponse {
	r.t.Helper()
	m := r.next()
	var got, want []string
	for _, b := range m.GetResources() {
		got = append(got, string(b.GetValue()))
	}
	for _, w := range rs {
		want = append(want, string(w.Body.GetValue()))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Fatalf("got %d resources %q, want %d %q", len(got), got, len(want), want)
	}
	if len(rs) > 0 && m.GetTypeUrl() != rs[0].Kind.TypeURL() {
		r.t.Fatalf("got type %s, want %s", m.GetTypeUrl(), rs[0].Kind.TypeURL())
	}
	return m
}

// silent holds that nothing comes: what is asked last is answered first. It asks for
// something that nobody has asked for, nor the catalog known, before.
func (r *raw) silent(cat *script) {
	r.t.Helper()
	name := cat.probe()
	cat.set(endpointsOf(name, "127.0.0.1:1"))
	r.ask(xds.Route, name)
	mark := routeOf(name, "probe")
	cat.set(mark)
	m := r.wants(mark)
	r.ack(m)
}

// ended waits for the stream's end.
func (r *raw) ended() error {
	r.t.Helper()
	select {
	case err := <-r.end:
		r.end <- err
		return err
	case <-time.After(20 * time.Second):
		return errors.New("still open after 20 s")
	}
}
