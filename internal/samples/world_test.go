// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/discovery"
)

// versions are those that every service has instances of, and where these stand.
var versions = []string{"v1", "v2", "v3"}

var places = map[string]discovery.Locality{
	"v1": {Region: "region1", Zone: "zone1"}, "v2": {Region: "region1", Zone: "zone2"}, "v3": {Region: "region3", Zone: "zone4"},
}

// absent is a service that does not exist.
const absent = "absent"

// The headers that a server writes, and those that tell it what to do.
const (
	servedBy = "X-Served-By" // "reviews v2"
	sawPath  = "X-Saw-Path"
	sawHost  = "X-Saw-Host"
	sawAll   = "X-Saw-Header" // the whole header, as JSON
	doFail   = "X-Do-Fail"    // the status to answer with
	doTake   = "X-Do-Take"    // how long to take
)

// world is every service there is: whichever is asked for has its instances.
type world struct {
	t *testing.T

	mu      sync.Mutex
	known   map[string][]discovery.Endpoint
	behind  map[string]string // the server behind an address outside
	arrived map[string]int    // by who served and host: "httpbin v2 httpbin-shadow"
}

func newWorld(t *testing.T) *world {
	return &world{t: t, known: map[string][]discovery.Endpoint{}, behind: map[string]string{}, arrived: map[string]int{}}
}

// Watch gives the instances of a service, and keeps quiet from then on.
func (w *world) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		if strings.HasPrefix(service, absent) {
			yield(nil, discovery.ErrUnknownService)
		} else if !yield(w.instances(service), nil) {
			return
		}
		<-ctx.Done()
	}
}

// names is the world as DNS: the hosts of ServiceEntries are asked for with a port, and have
// addresses that [world.dial] knows, since the ports are those of the documents.
type names struct{ *world }

func (n names) Watch(ctx context.Context, name string) iter.Seq2[[]discovery.Endpoint, error] {
	host, port, _ := strings.Cut(name, ":")
	return func(yield func([]discovery.Endpoint, error) bool) {
		var all []discovery.Endpoint
		for _, e := range n.instances(host) {
			all = append(all, discovery.Endpoint{Addrs: []string{n.outside(e.Addrs[0]) + ":" + port}})
		}
		if yield(all, nil) {
			<-ctx.Done()
		}
	}
}

// outside is an address, for documentation only (RFC 5737), that stands for a server's.
func (w *world) outside(addr string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ip := "192.0.2." + strconv.Itoa(len(w.behind)+1)
	w.behind[ip] = addr
	return ip
}

// dial connects to the server that an address stands for, or has.
func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, _ := strings.Cut(addr, ":")
	w.mu.Lock()
	if at, ok := w.behind[host]; ok {
		addr = at
	}
	w.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func (w *world) instances(service string) []discovery.Endpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	if have, ok := w.known[service]; ok {
		return have
	}
	var all []discovery.Endpoint
	for _, v := range versions {
		all = append(all, discovery.Endpoint{
			Addrs: []string{w.serve(service, v)}, Labels: map[string]string{"version": v}, Locality: places[v],
		})
	}
	w.known[service] = all
	return all
}

// serve starts one instance.
func (w *world) serve(service, version string) (addr string) {
	name := service + " " + version
	rpc := grpc.NewServer(grpc.UnknownServiceHandler(w.rpc(name)))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			rpc.ServeHTTP(out, r)
			return
		}
		w.web(name, out, r)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	own, err := certificateFor(service)
	if err != nil {
		w.t.Error(err)
	}
	if own != nil {
		server.TLS, server.EnableHTTP2, server.Config.Protocols = &tls.Config{Certificates: []tls.Certificate{*own}, MinVersion: tls.VersionTLS12}, true, nil
		server.StartTLS()
	} else {
		server.Start()
	}
	w.t.Cleanup(func() { server.Close(); rpc.Stop() })
	return server.Listener.Addr().String()
}

func (w *world) note(name, host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived[name+" "+host]++
}

// arrivals is how many calls an instance's version has had under a host, "httpbin v2
// httpbin-shadow"; "" is all of them.
func (w *world) arrivals(where string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if where != "" {
		return w.arrived[where]
	}
	n := 0
	for _, m := range w.arrived {
		n += m
	}
	return n
}

// await waits until so many have arrived.
func (w *world) await(where string, n int) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); w.arrivals(where) != n; {
		if time.Now().After(end) {
			w.t.Errorf("%d calls arrived at %s, want %d; %d at all", w.arrivals(where), where, n, w.arrivals(""))
			return
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (w *world) web(name string, out http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.note(name, r.Host)
	code, took := orders(r.Header.Get(doFail), r.Header.Get(doTake))
	w.wait(took)
	h := out.Header()
	h.Set(servedBy, name)
	h.Set(sawPath, r.URL.RequestURI())
	h.Set(sawHost, r.Host)
	h.Set(sawAll, asJSON(r.Header))
	h.Set("Foo", "bar")
	if code != 0 {
		out.WriteHeader(code)
	}
	_, _ = io.WriteString(out, "hello")
}

// wait takes so long, or until the test has ended.
func (w *world) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.t.Context().Done():
	}
}

func (w *world) rpc(name string) grpc.StreamHandler {
	return func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		md, _ := metadata.FromIncomingContext(s.Context())
		host := strings.Join(md.Get(":authority"), ",")
		w.note(name, host)
		code, took := orders(first(md.Get(doFail)), first(md.Get(doTake)))
		w.wait(took)
		head := http.Header{}
		for k, v := range md {
			if !strings.HasPrefix(k, ":") {
				head[http.CanonicalHeaderKey(k)] = v
			}
		}
		answer := metadata.Pairs(servedBy, name, sawPath, method, sawHost, host, sawAll, asJSON(head), "foo", "bar")
		if err := s.SetHeader(answer); err != nil {
			return err
		}
		if code != 0 {
			return status.Error(codeOf(code), "as the test asked")
		}
		if err := s.RecvMsg(new(emptypb.Empty)); err != nil {
			return err
		}
		return s.SendMsg(new(emptypb.Empty))
	}
}

// codeOf is the code of a status, as gRPC maps them.
func codeOf(code int) codes.Code {
	switch code {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	case http.StatusNotFound:
		return codes.Unimplemented
	}
	return codes.Unknown
}

// orders reads what a request tells a server to do.
func orders(fail, take string) (code int, took time.Duration) {
	code, _ = strconv.Atoi(fail)       // 0: nothing
	took, _ = time.ParseDuration(take) // 0: at once
	return code, took
}

func asJSON(h http.Header) string {
	text, err := json.Marshal(h)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
