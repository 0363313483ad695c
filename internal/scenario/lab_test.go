// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// The one service of a lab, where its endpoints are asked for, and the token that nobody
// may find in a log.
const (
	shop       = "shop"
	healthPath = "/v1/health/service/" + shop
	secret     = "5d1c7a90-not-for-logs"
)

// lab is a registry that does as it is told, over a socket, backends, and a mesh that
// calls them.
type lab struct {
	t        *testing.T
	registry *enmeshtest.Consul
	addr     string      // of the registry
	pace     consul.Pace // of questions to it
	source   *consul.Registry
	mesh     *mesh.Mesh
	logs     *journal
	receipts ledger.Receipts
	backends []*backend
}

// newLab makes a lab with so many backends, all of them registered. Nothing is open yet.
func newLab(t *testing.T, backends int) *lab {
	t.Helper()
	ledger.Baseline(t)
	return openLab(t, backends)
}

// openLab is newLab for tests that run beside others, and leave to the one that began them
// to look for what was left behind.
func openLab(t *testing.T, backends int) *lab {
	t.Helper()
	l := &lab{t: t, registry: enmeshtest.NewConsul(), logs: &journal{}}
	t.Cleanup(func() { l.logs.check(t) })
	for i := range backends {
		l.backends = append(l.backends, l.serve(i))
	}
	l.registry.Set(shop, l.instances()...)
	l.addr = l.registry.Start(t)
	return l
}

// open makes the mesh, which has not called anybody yet.
func (l *lab) open(opts ...mesh.Option) {
	l.t.Helper()
	source, err := consul.New(consul.Config{Address: l.addr, Token: secret, Pace: l.pace})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = source.Close() }) // it is always nil
	l.source = source
	l.mesh, err = mesh.Open(l.t.Context(), append([]mesh.Option{
		mesh.WithResolver(source), mesh.WithLogger(slog.New(slog.NewTextHandler(l.logs, nil))),
	}, opts...)...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := l.mesh.Close(); err != nil {
			l.t.Error(err)
		}
	})
}

// settled opens the mesh and waits until it knows every backend.
func (l *lab) settled(opts ...mesh.Option) {
	l.t.Helper()
	l.open(opts...)
	l.within(10*time.Second, "the mesh knows its endpoints", func() bool { return len(l.endpoints()) == len(l.backends) })
}

func (l *lab) cluster() *balance.Cluster {
	return l.mesh.Cluster(enmesh.Destination{Service: shop}, enmesh.HTTP)
}

// endpoints are those that calls are balanced over.
func (l *lab) endpoints() []*balance.Endpoint {
	set := l.cluster().Set()
	if set == nil {
		return nil
	}
	return set.Endpoints
}

// within polls under a deadline, and gives how long it took.
func (l *lab) within(limit time.Duration, what string, ok func() bool) time.Duration {
	l.t.Helper()
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(began) > limit {
			l.t.Fatalf("not in %v: %s", limit, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

// sleep lets a fault last.
func (l *lab) sleep(d time.Duration) {
	l.t.Helper()
	select {
	case <-time.After(d):
	case <-l.t.Context().Done():
		l.t.Fatal("the test has ended")
	}
}

// metric wants a line of the mesh's own metrics about the shop.
func (l *lab) metric(line string) {
	l.t.Helper()
	w := httptest.NewRecorder()
	l.mesh.Metrics().ServeHTTP(w, httptest.NewRequestWithContext(l.t.Context(), http.MethodGet, "/metrics", http.NoBody))
	want := "\nenmesh_discovery_" + strings.ReplaceAll(line, "$", `service="shop.default.svc.cluster.local"`) + "\n"
	if text := w.Body.String(); !strings.Contains(text, want) {
		l.t.Errorf("the metrics have no line %q", strings.TrimSpace(want))
	}
}

// status is that of the watch of the shop at the registry's client.
func (l *lab) status() consul.WatchStatus {
	for _, s := range l.source.Status() {
		if s.Service == shop {
			return s
		}
	}
	return consul.WatchStatus{}
}

// load calls the shop over HTTP/1.1, HTTP/2 and gRPC in turn, until it is stopped.
func (l *lab) load(rate int) *ledger.Ledger {
	l.t.Helper()
	stop := ledger.Start(l.t.Context(), ledger.Config{Call: l.callers(), Rate: rate})
	l.t.Cleanup(stop.Stop)
	return stop
}

// callers is a call over each protocol in turn. Those over HTTP/1.1 go one after the other,
// so that one connection to each backend is enough.
func (l *lab) callers() ledger.Call {
	l.t.Helper()
	return alternate(inTurn(l.web(false)), l.web(true), l.rpc())
}

// eager is a call over each protocol in turn, any number at once.
func (l *lab) eager() ledger.Call {
	l.t.Helper()
	return alternate(l.web(false), l.web(true), l.rpc())
}

// hurry is a load of eager calls.
func (l *lab) hurry(rate int) *ledger.Ledger {
	l.t.Helper()
	load := ledger.Start(l.t.Context(), ledger.Config{Call: l.eager(), Rate: rate})
	l.t.Cleanup(load.Stop)
	return load
}

// shortLived calls over HTTP/1.1, each on a connection of its own.
func (l *lab) shortLived() ledger.Call {
	l.t.Helper()
	return l.client(&http.Transport{DisableKeepAlives: true})
}

// shortLivedTwo is the same over HTTP/2.
func (l *lab) shortLivedTwo() ledger.Call {
	l.t.Helper()
	base := &http.Transport{DisableKeepAlives: true, Protocols: new(http.Protocols)}
	base.Protocols.SetUnencryptedHTTP2(true)
	return l.client(base)
}

// shortLivedRPC calls over gRPC, each from a client of its own.
func (l *lab) shortLivedRPC() ledger.Call {
	l.t.Helper()
	opts := meshgrpc.NewClient(l.mesh.Outbound(), l.mesh).DialOptions()
	return func(ctx context.Context, id string) (string, error) {
		cc, err := grpc.NewClient("enmesh:///"+shop, opts...)
		if err != nil {
			return "", err
		}
		defer cc.Close()
		return check(grpc_health_v1.NewHealthClient(cc))(ctx, id)
	}
}

// alternate makes the calls in turn.
func alternate(each ...ledger.Call) ledger.Call {
	var n atomic.Uint64
	return func(ctx context.Context, id string) (string, error) {
		return each[n.Add(1)%uint64(len(each))](ctx, id)
	}
}

// endpoint is a backend as calls over HTTP know it.
func (l *lab) endpoint(b *backend) *balance.Endpoint {
	l.t.Helper()
	for _, e := range l.endpoints() {
		if e.Addr() == b.addr {
			return e
		}
	}
	l.t.Fatalf("%s is not in the set", b.name)
	return nil
}

// sharesAgain waits until a backend has at least a share of one second's attempts.
func (l *lab) sharesAgain(sent *tally, b *backend, share float64) time.Duration {
	l.t.Helper()
	mark, at := sent.now(), time.Now()
	return l.within(60*time.Second, b.name+" has its share again", func() bool {
		if time.Since(at) < time.Second {
			return false
		}
		got, _ := sent.since(mark, b.addr)
		mark, at = sent.now(), time.Now()
		return got >= share
	})
}

// web calls over HTTP.
func (l *lab) web(two bool) ledger.Call {
	l.t.Helper()
	base := &http.Transport{Protocols: new(http.Protocols), MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Minute}
	base.Protocols.SetHTTP1(!two)
	base.Protocols.SetUnencryptedHTTP2(two)
	return l.client(base)
}

func (l *lab) client(base *http.Transport) ledger.Call {
	l.t.Helper()
	return l.clientOf(base, http.MethodGet)
}

func (l *lab) clientOf(base *http.Transport, method string) ledger.Call {
	l.t.Helper()
	transport := meshhttp.NewTransport(base, l.mesh.Outbound(), l.mesh)
	l.t.Cleanup(func() { _ = transport.Close() })
	return ledger.HTTP(&http.Client{Transport: transport}, method, "http://"+shop+"/")
}

// inTurn makes one call at a time.
func inTurn(call ledger.Call) ledger.Call {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, id string) (string, error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			return call(ctx, id)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// rpc calls over gRPC.
func (l *lab) rpc() ledger.Call {
	l.t.Helper()
	cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(l.mesh.Outbound(), l.mesh).DialOptions()...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = cc.Close() })
	stub := grpc_health_v1.NewHealthClient(cc)
	return func(ctx context.Context, id string) (string, error) {
		var head metadata.MD
		ctx = metadata.AppendToOutgoingContext(ctx, ledger.IDKey, id)
		_, err := stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&head))
		return strings.Join(head.Get(ledger.ServerKey), ","), err
	}
}

// none wants a load of which nothing was lost or sent twice.
func (l *lab) none(load *ledger.Ledger) ledger.Report {
	l.t.Helper()
	load.Stop()
	r := load.Wait().With(&l.receipts)
	l.t.Log(r)
	if r.Sent == 0 || r.Lost != 0 || r.Duplicated != 0 || r.Unserved != 0 || r.Unended != 0 {
		l.t.Errorf("of %d calls %d lost, %d duplicated, %d unserved, %d unended; want none", r.Sent, r.Lost, r.Duplicated, r.Unserved, r.Unended)
	}
	return r
}

// updates are the sets that a cluster has published.
type updates struct {
	mu  sync.Mutex
	all []update
}

type update struct {
	at                   time.Time
	size, added, removed int
}

// updates begins to record. The set that is there already does not count.
func (l *lab) updates() *updates {
	u := &updates{}
	first := true
	cancel := l.cluster().Subscribe(func(s *balance.Set) {
		u.mu.Lock()
		defer u.mu.Unlock()
		if !first {
			u.all = append(u.all, update{time.Now(), len(s.Endpoints), len(s.Added), len(s.Removed)})
		}
		first = false
	})
	l.t.Cleanup(cancel)
	return u
}

func (u *updates) list() []update {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all[:len(u.all):len(u.all)]
}

// journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Split(strings.TrimSpace(j.text.String()), "\n")
}

// check wants no panic and no secret in the log.
func (j *journal) check(t *testing.T) {
	t.Helper()
	for _, line := range j.lines() {
		if strings.Contains(line, "panic") || strings.Contains(line, secret) {
			t.Errorf("logged: %s", line)
		}
	}
}
