// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/telemetry"
)

// wentBy is where the last call went, as telemetry hears it.
type wentBy struct {
	mu    sync.Mutex // guards what follows
	route string
	to    string // address; "": none was picked
	where string
	err   error

	refused, keyed int // calls to ports of ratings
}

func (w *wentBy) Calls(telemetry.Scope) telemetry.Observer {
	return telemetry.ObserverFunc(func(r enmesh.Result) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.route, w.where, w.to, w.err = r.Call.Route.Name, r.Call.Destination.String(), "", r.Err
		if e, ok := r.Call.Endpoint.(*balance.Endpoint); ok {
			w.to = e.Addr()
		}
	})
}

const winding = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - name: hashed
    trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: end-user}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings}
spec:
  host: ratings
  trafficPolicy:
    portLevelSettings:
    - {port: {number: 81}, loadBalancer: {consistentHash: {httpHeaderName: end-user}}}
    - {port: {number: 82}, tls: {mode: SIMPLE, credentialName: edge}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: jason
    match: [{headers: {end-user: {exact: jason}}, uri: {prefix: /a.}}, {withoutHeaders: {end-user: {}}, uri: {regex: "/b.*/Put"}, name: none}]
    route: [{destination: {host: reviews, subset: v2}}]
  - name: ported
    match: [{port: 81}, {authority: {exact: "reviews:82"}}]
    route: [{destination: {host: ratings}}]
  - name: keyed
    match: [{headers: {end-user: {prefix: a}}}]
    headers: {request: {set: {end-user: other}}}
    route: [{destination: {host: reviews, subset: hashed}}]
  - name: split
    match: [{uri: {prefix: /b.}}]
    rewrite: {uri: /c.}
    route:
    - {destination: {host: reviews, subset: v1}, weight: 50}
    - {destination: {host: ratings}, weight: 50}
  - name: closed
    match: [{uri: {exact: /closed.A/Get}}]
    directResponse: {status: 503}
  - name: nowhere
    match: [{uri: {exact: /nowhere.A/Get}}]
    route: [{destination: {host: nowhere}}]
  - name: rest
    match: [{uri: {prefix: /a.}}]
    route: [{destination: {host: reviews}}]
`

// anyCall is a call with random attributes.
func anyCall(r *rand.Rand) mesh.Query {
	q := mesh.Query{
		Host:   []string{"reviews", "reviews:81", "reviews.default", "ratings", "nobody", "reviews:82"}[r.IntN(6)],
		Path:   []string{"/a.B/Get", "/b.C/Put", "/b.C/Get", "/closed.A/Get", "/nowhere.A/Get", "/z.Z/Z"}[r.IntN(6)],
		Method: []string{"GET", "PUT"}[r.IntN(2)],
		Header: http.Header{},
	}
	if user := []string{"", "jason", "ann", "abe"}[r.IntN(4)]; user != "" {
		q.Header.Set("End-User", user)
	}
	return q
}

// What is explained is what calls then do: by the route, and to an endpoint that was said
// to be eligible, or not at all.
func TestExplain_isWhatCallsDo(t *testing.T) {
	s := newStreet(t, "reviews", "ratings")
	for name, protocol := range map[string]enmesh.Protocol{"http": enmesh.HTTP, "grpc": enmesh.GRPC} {
		t.Run(name, func(t *testing.T) {
			went := &wentBy{}
			endpoints := s.web
			if protocol == enmesh.GRPC {
				endpoints = s.rpc
			}
			m := s.open(t, endpoints, winding, mesh.WithTelemetry(went))
			c := newCaller(t, m)
			r := rand.New(rand.NewPCG(15, uint64(protocol)))
			routes := map[string]int{}
			for range 60 {
				q := anyCall(r)
				q.Protocol = protocol
				x := explain(t, m, q)
				c.call(t, q)
				went.compare(t, x, q)
				routes[went.route]++
				if protocol == enmesh.HTTP {
					if why := went.picked(x, q); why != "" {
						t.Error(why)
					}
					continue
				}
				why := went.picked(x, q) // a key moves as long as a new client's connections come
				until(t, "every connection of gRPC's is there: "+why, func() bool {
					if why != "" {
						x = explain(t, m, q)
						c.call(t, q)
						why = went.picked(x, q)
					}
					return why == ""
				})
			}
			if went.refused == 0 || went.keyed == 0 {
				t.Errorf("%d calls to a port that is refused, and %d to one with a key", went.refused, went.keyed)
			}
			if len(routes) < 8 {
				t.Errorf("only these routes were taken: %v", routes)
			}
		})
	}
}

// compare holds what became of a call against what was said of it.
func (w *wentBy) compare(t *testing.T, x mesh.Explanation, q mesh.Query) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case strings.HasSuffix(w.where, ":82") && w.to == "":
		w.refused++
	case strings.HasSuffix(w.where, ":81") && w.to != "" && x.Destinations[0].Key == "header end-user":
		w.keyed++
	}
	if w.route != x.Route {
		t.Errorf("%+v went by %q, and was said to go by %q\n%s", q, w.route, x.Route, x)
	}
	if refused := x.Result.Kind == mesh.ResultRefused; refused != (w.to == "" && x.Result.Kind != mesh.ResultDirect) {
		t.Errorf("%+v went to %q (%v), and was said to be %s", q, w.to, w.err, x.Result)
	}
	if e := enmesh.ErrorOf(w.err); e != nil && x.Result.Status != 0 && e.Status != x.Result.Status {
		t.Errorf("%+v ended with %d, and was said to end with %s", q, e.Status, x.Result)
	}
}

// picked says what is wrong with where a call went; "" is nothing.
func (w *wentBy) picked(x mesh.Explanation, q mesh.Query) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.to == "" {
		return ""
	}
	for _, d := range x.Destinations {
		if d.Destination != w.where {
			continue
		}
		for _, one := range d.Candidates {
			if one.Addr == w.to && one.Eligible {
				return ""
			}
		}
	}
	return fmt.Sprintf("%+v went to %s of %s, which was not said to be eligible\n%s", q, w.to, w.where, x)
}

// caller makes calls over both protocols.
type caller struct {
	m   *mesh.Mesh
	web *http.Client

	mu    sync.Mutex // guards conns
	conns map[string]*grpc.ClientConn
}

func newCaller(t *testing.T, m *mesh.Mesh) *caller {
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	c := &caller{m: m, web: &http.Client{Transport: transport}, conns: map[string]*grpc.ClientConn{}}
	t.Cleanup(func() {
		_ = transport.Close()
		for _, cc := range c.conns {
			_ = cc.Close()
		}
	})
	return c
}

// call makes a call, and reads its answer to the end.
func (c *caller) call(t *testing.T, q mesh.Query) {
	t.Helper()
	if q.Protocol == enmesh.GRPC {
		c.rpc(t, q)
		return
	}
	req, err := http.NewRequestWithContext(t.Context(), q.Method, "http://"+q.Host+q.Path+"?"+q.RawQuery, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = q.Header
	res, err := c.web.Do(req)
	if err != nil {
		return // telemetry has it
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

func (c *caller) rpc(t *testing.T, q mesh.Query) {
	t.Helper()
	cc := c.conn(t, q.Host)
	ctx := t.Context()
	for name, values := range q.Header {
		ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(name), values[0])
	}
	_ = cc.Invoke(ctx, q.Path, wrapperspb.String(""), new(wrapperspb.StringValue)) // telemetry has the error
}

// conn is the connection to a host.
func (c *caller) conn(t *testing.T, host string) *grpc.ClientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cc := c.conns[host]; cc != nil {
		return cc
	}
	cc, err := grpc.NewClient("enmesh:///"+host, meshgrpc.NewClient(c.m.Outbound(), c.m).DialOptions()...)
	if err != nil {
		t.Error(err)
		return nil
	}
	c.conns[host] = cc
	return cc
}

// ask makes a call and gives the body of its answer, whatever the status; or why there is
// none. It goes by connections that are there.
func (c *caller) ask(t *testing.T, protocol enmesh.Protocol, r request) (string, http.Header, error) {
	if protocol == enmesh.HTTP {
		req, err := http.NewRequestWithContext(t.Context(), r.method, "http://"+r.host+r.target, http.NoBody)
		if err != nil {
			return "", nil, err
		}
		for i := 0; i < len(r.header); i += 2 {
			req.Header.Add(r.header[i], r.header[i+1])
		}
		res, err := c.web.Do(req)
		if err != nil {
			return "", nil, err
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		return string(text), res.Header, err
	}
	var md metadata.MD
	var out wrapperspb.StringValue
	ctx := metadata.AppendToOutgoingContext(t.Context(), r.header...)
	err := c.conn(t, r.host).Invoke(ctx, r.target, wrapperspb.String(""), &out, grpc.Header(&md))
	header := http.Header{}
	for name, values := range md {
		header[http.CanonicalHeaderKey(name)] = values
	}
	return out.GetValue(), header, err
}

// A gRPC client that lost one of its connections is told so.
func TestExplain_grpcConnections(t *testing.T) {
	s := newStreet(t, "reviews")
	endpoints := map[string][]discovery.Endpoint{"reviews": {s.rpc["reviews"][0], {Addrs: []string{"127.0.0.1:1"}}}}
	m := s.open(t, endpoints, "")
	c := newCaller(t, m)
	q := mesh.Query{Protocol: enmesh.GRPC, Host: "reviews", Path: "/a.B/Get"}
	c.call(t, q)
	x := explain(t, m, q)
	for _, one := range x.Destinations[0].Candidates {
		lost := one.Addr == "127.0.0.1:1"
		if lost && (one.Eligible || one.Why != "not connected") || !lost && (!one.Eligible || one.Connected != 1) {
			t.Errorf("got %+v\n%s", one, x)
		}
	}
}

// The route that is explained is the router's, whatever the call.
func FuzzExplain(f *testing.F) {
	file := f.TempDir() + "/p.yaml"
	if err := os.WriteFile(file, []byte(winding), 0o600); err != nil {
		f.Fatal(err)
	}
	m, err := mesh.Open(context.Background(), mesh.WithPolicies(file))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = m.Close() })
	f.Add("reviews", "/a.B/Get", "GET", "end-user", "jason", "q=1", uint16(0), false)
	f.Add("Reviews.default:82", "/b.C/Put", "PUT", "End-User", "", "", uint16(81), true)
	f.Fuzz(func(t *testing.T, host, path, method, name, value, query string, port uint16, rpc bool) {
		q := mesh.Query{Host: host, Path: path, Method: method, RawQuery: query, Port: port, Header: http.Header{name: {value}}, Candidates: -1}
		if rpc {
			q.Protocol = enmesh.GRPC
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nobody waits for a registry
		x, err := m.Explain(ctx, q)
		if err != nil {
			return
		}
		c := describe(q)
		if got := m.Outbound().Route(c).Name; got != x.Route {
			t.Errorf("%+v: explained as %q, routed as %q", q, x.Route, got)
		}
		_ = x.String()
	})
}

// describe is a call as an adapter makes it of what a program asks for: a description
// of its own, so that the one that is tested cannot hide a mistake.
func describe(q mesh.Query) *enmesh.Call {
	h := lowered{}
	for name, values := range q.Header {
		h[strings.ToLower(name)] = values
	}
	c := &enmesh.Call{Protocol: q.Protocol, Method: q.Method, Path: q.Path, Query: q.RawQuery, Scheme: "http", Authority: q.Host, Header: h}
	c.Service, c.Port = q.Host, q.Port
	if i := strings.LastIndexByte(q.Host, ':'); i >= 0 && strings.Count(q.Host, ":") == 1 {
		var port uint16
		if n, err := fmt.Sscanf(q.Host[i+1:], "%d", &port); n == 1 && err == nil && fmt.Sprint(port) == q.Host[i+1:] {
			c.Service = q.Host[:i]
			if c.Port == 0 {
				c.Port = port
			}
		}
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.Method == "" {
		c.Method = "GET"
	}
	if q.Protocol == enmesh.GRPC {
		c.Method, c.Query = "POST", ""
	}
	return c
}

// lowered is a header with names in lower case.
type lowered map[string][]string

func (h lowered) Get(key string) string {
	if vs := h.Values(key); len(vs) > 0 {
		return vs[0]
	}
	return ""
}
func (h lowered) Values(key string) []string { return h[strings.ToLower(key)] }
func (h lowered) Set(key, value string)      { h[strings.ToLower(key)] = []string{value} }
func (h lowered) Add(key, value string) {
	h[strings.ToLower(key)] = append(h[strings.ToLower(key)], value)
}
func (h lowered) Del(key string) { delete(h, strings.ToLower(key)) }

// An endpoint that has just come is told to be new, and what its share is for now.
func TestExplain_slowStart(t *testing.T) {
	registry := discovery.NewMemory()
	registry.Set("reviews", at("10.0.0.1:80", "v1", "a"), at("10.0.0.2:80", "v1", "a"))
	m := asked(t, map[string]string{"p.yaml": strings.Replace(hashing, "consistentHash: {httpHeaderName: end-user}", "simple: RANDOM, warmup: {duration: 3600s, minimumPercent: 20}", 1)},
		nil, mesh.WithResolver(registry))
	q := mesh.Query{Host: "reviews"}
	explain(t, m, q)
	registry.Set("reviews", at("10.0.0.1:80", "v1", "a"), at("10.0.0.2:80", "v1", "a"), at("10.0.0.3:80", "v1", "a"))
	until(t, "the third is there", func() bool {
		d := explain(t, m, q).Destinations[0]
		if len(d.Candidates) < 3 {
			return false
		}
		last := d.Candidates[2]
		if last.Addr != "10.0.0.3:80" || last.Why != "slow start: at most 20 % of its share" || math.Abs(last.Effective-0.2) > 0.001 ||
			math.Abs(last.Share-0.2/2.2) > 0.001 || d.Algorithm != "random, slow start 1h0m0s" {
			t.Errorf("%s: %+v", d.Algorithm, last)
		}
		return true
	})
}

// Explaining holds up nothing, and nothing it reads is written meanwhile: policy, endpoints
// and calls change as it is asked.
func TestExplain_underChange(t *testing.T) {
	town := newTown(t, winding)
	serve := func(version string) discovery.Endpoint { return town.serve("reviews", version, nil) }
	v1, v2 := serve("v1"), serve("v2")
	town.registry.Set("reviews", v1, v2)
	m := town.open("productpage", "v1")
	c := newCaller(t, m)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var wait sync.WaitGroup
	asked := 0
	wait.Go(func() {
		for ; ctx.Err() == nil; asked++ {
			x, err := m.Explain(t.Context(), mesh.Query{Host: "reviews", Path: "/a.B/Get", Header: http.Header{"End-User": {"ann"}}})
			if err != nil || x.Route != "keyed" && x.Route != "reviews-1" {
				t.Errorf("got %v\n%s", err, x)
			}
			_ = m.Decisions("")
		}
	})
	wait.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			town.registry.Set("reviews", []discovery.Endpoint{v1, v2}[:1+i%2]...)
			if set := m.Cluster(enmesh.Destination{Service: "reviews", Subset: "v1"}, enmesh.HTTP).Set(); set != nil {
				for _, e := range set.Endpoints {
					e.Rest(enmesh.Now().Add(time.Millisecond))
				}
			}
			town.write("policy.yaml", []string{winding, split(50, 50) + "\n---\n" + subsets}[i%2])
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	for ctx.Err() == nil {
		c.call(t, mesh.Query{Host: "reviews", Method: "GET", Path: "/a.B/Get"})
	}
	wait.Wait()
	if asked < 10 {
		t.Errorf("asked %d times only", asked)
	}
}

// BenchmarkExplain is what asking costs, by the number of endpoints.
func BenchmarkExplain(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var many []discovery.Endpoint
			for i := range n {
				many = append(many, discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.%d.%d.1:80", i/256, i%256)}})
			}
			m, err := mesh.Open(b.Context(), mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{"reviews": many})))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = m.Close() }()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Explain(b.Context(), mesh.Query{Host: "reviews"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
