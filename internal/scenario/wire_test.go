// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// town is a service at addresses that a scenario names, and what its callers saw of each.
type town struct {
	t        *testing.T
	chain    []enmesh.Middleware
	resends  bool
	web      *balance.Cluster
	rpc      *balance.Cluster
	mu       sync.Mutex // guards what follows
	failures map[string]int
	calls    map[string]int
}

// newTown makes the clusters of a service at addrs.
func newTown(t *testing.T, cfg balance.ConnectionConfig, addrs ...string) *town {
	t.Helper()
	w := &town{t: t, failures: map[string]int{}, calls: map[string]int{}}
	var eps []discovery.Endpoint
	for _, a := range addrs {
		eps = append(eps, discovery.Endpoint{Addrs: []string{a}})
	}
	of := func(p enmesh.Protocol) *balance.Cluster {
		c := balance.NewCluster(balance.ClusterConfig{
			Protocol: p, Algorithm: balance.RoundRobin(), Connection: cfg,
			Gates: func(e *balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{watcher{w, e.Addr()}} },
		})
		c.Apply(eps)
		return c
	}
	w.web, w.rpc = of(enmesh.HTTP), of(enmesh.GRPC)
	return w
}

// Cluster implements balance.Source.
func (w *town) Cluster(_ enmesh.Destination, p enmesh.Protocol) *balance.Cluster {
	if p == enmesh.GRPC {
		return w.rpc
	}
	return w.web
}

func (w *town) router() enmesh.Router { return enmesh.Fixed(w.resends, w.chain...) }

// seen is how many attempts an address had, and how many failed there.
func (w *town) seen(addr string) (calls, failures int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[addr], w.failures[addr]
}

// watcher counts the attempts at one address.
type watcher struct {
	of   *town
	addr string
}

func (g watcher) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

func (g watcher) Done(_ enmesh.Token, r enmesh.Result) {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	g.of.calls[g.addr]++
	if r.Err != nil {
		g.of.failures[g.addr]++
	}
}

// client is an HTTP client; two has it speak HTTP/2 in plaintext.
func (w *town) client(two bool, opts ...meshhttp.ClientOption) *http.Client {
	w.t.Helper()
	if two {
		opts = append(opts, meshhttp.Connection(balance.ConnectionConfig{Protocol: balance.HTTP2}))
	}
	transport := meshhttp.NewTransport(nil, w.router(), w, opts...)
	w.t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport}
}

// post is a call that is not idempotent: its body is its id.
func post(client *http.Client) ledger.Call {
	return posting(client, func(id string) io.Reader { return strings.NewReader(id) })
}

// postOnce is post with a body that cannot be had a second time.
func postOnce(client *http.Client) ledger.Call {
	return posting(client, func(id string) io.Reader { return io.MultiReader(strings.NewReader(id)) })
}

func posting(client *http.Client, body func(id string) io.Reader) ledger.Call {
	return func(ctx context.Context, id string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+shop+"/", body(id))
		if err != nil {
			return "", err
		}
		req.Header.Set(ledger.IDKey, id)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return "", fmt.Errorf("body: %w", err)
		}
		if resp.StatusCode >= http.StatusBadRequest {
			return "", fmt.Errorf("status %d", resp.StatusCode)
		}
		return resp.Header.Get(ledger.ServerKey), nil
	}
}

// stub is a gRPC client.
func (w *town) stub() grpc_health_v1.HealthClient {
	w.t.Helper()
	cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(w.router(), w).DialOptions()...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cc.Close() })
	return grpc_health_v1.NewHealthClient(cc)
}

// check is a call over gRPC, which is not idempotent for all that is known of it.
func check(stub grpc_health_v1.HealthClient) ledger.Call {
	return func(ctx context.Context, id string) (string, error) {
		var head metadata.MD
		ctx = metadata.AppendToOutgoingContext(ctx, ledger.IDKey, id)
		_, err := stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&head))
		return strings.Join(head.Get(ledger.ServerKey), ","), err
	}
}

// once wants every call of a load answered, and served once.
func once(t *testing.T, load *ledger.Ledger, receipts *ledger.Receipts) ledger.Report {
	t.Helper()
	r := load.Wait().With(receipts)
	t.Log(r)
	if r.Sent == 0 || r.Lost != 0 || r.Duplicated != 0 || r.Unserved != 0 {
		t.Errorf("of %d calls %d lost, %d duplicated, %d unserved; want none: %v", r.Sent, r.Lost, r.Duplicated, r.Unserved, r.Errors)
	}
	return r
}

// poll waits for something under a deadline, and gives how long it took.
func poll(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	return (&lab{t: t}).within(limit, what, ok)
}
