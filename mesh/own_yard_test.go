// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// noRetries keeps attempts and calls the same.
const noRetries = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http: [{retries: {attempts: 0}, route: [{destination: {host: reviews}}]}]
`

// retryTwice tries what was answered with 503 two more times.
var retryTwice = strings.Replace(noRetries, "attempts: 0", "attempts: 2, backoff: 1ms, retryOn: 'unavailable,503'", 1)

// ownDoc is a document of an own kind, its spec in flow style.
func ownDoc(kind, spec string) string {
	return "---\napiVersion: enmesh.dev/v1\nkind: " + kind + "\nmetadata: {name: " + strings.ToLower(kind) + "}\nspec: {" + spec + "}\n"
}

// answers is what a server of a yard does with its n-th call, from 1: the HTTP status, or
// what stands for it in gRPC.
type answers func(ctx context.Context, n int64) int

// yard is a service "reviews" behind a mesh of its own, which answers over one protocol as
// it is told, and a caller.
type yard struct {
	*town
	protocol       string
	server, caller *mesh.Mesh
	hits           atomic.Int64
	answer         atomic.Pointer[answers]
	client         *http.Client
	conn           *grpc.ClientConn
}

// eachProtocol runs a test in a yard over HTTP, and in one over gRPC.
func eachProtocol(t *testing.T, documents string, test func(t *testing.T, y *yard)) {
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) { test(t, newYard(t, protocol, documents)) })
	}
}

func newYard(t *testing.T, protocol, documents string, opts ...mesh.Option) *yard {
	y := &yard{town: newTown(t, documents), protocol: protocol}
	y.answers(func(context.Context, int64) int { return 200 })
	y.server = y.open("reviews", "v1", opts...)
	y.registry.Set("reviews", y.endpointOf())
	y.caller = y.open("productpage", "v1", opts...)
	y.client, y.conn = y.town.client(y.caller), y.town.conn(y.caller, "enmesh:///reviews")
	return y
}

// endpointOf starts an instance of the service.
func (y *yard) endpointOf() discovery.Endpoint { return y.endpointAt(y.server) }

// endpointAt starts an instance behind another mesh.
func (y *yard) endpointAt(m *mesh.Mesh) discovery.Endpoint {
	return y.serve(m, func(ctx context.Context) int { return (*y.answer.Load())(ctx, y.hits.Add(1)) })
}

func (y *yard) answers(f answers) { y.answer.Store(&f) }

// serve starts an instance.
func (y *yard) serve(m *mesh.Mesh, answer func(context.Context) int) discovery.Endpoint {
	y.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		y.t.Fatal(err)
	}
	done := make(chan struct{})
	if y.protocol == "grpc" {
		by := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if code := answer(ctx); code != 200 {
				return nil, status.Error(codeOf[code], "as told")
			}
			return next(ctx, req)
		}
		stream := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if code := answer(ss.Context()); code != 200 {
				return status.Error(codeOf[code], "as told")
			}
			return next(srv, ss)
		}
		server := grpc.NewServer(append(meshgrpc.NewServer(m.Inbound()).Options(), grpc.Creds(credentials.NewTLS(m.ServerTLS())),
			grpc.ChainUnaryInterceptor(by), grpc.ChainStreamInterceptor(stream))...)
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		go func() { defer close(done); _ = server.Serve(l) }()
		y.t.Cleanup(func() { server.Stop(); <-done })
	} else {
		by := func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(answer(r.Context()))
			_, _ = io.WriteString(w, "true")
		}
		server := &http.Server{Handler: meshhttp.NewHandler(http.HandlerFunc(by), m.Inbound()), TLSConfig: m.ServerTLS(), ReadHeaderTimeout: time.Second}
		go func() { defer close(done); _ = server.ServeTLS(l, "", "") }()
		y.t.Cleanup(func() { _ = server.Close(); <-done })
	}
	return discovery.Endpoint{Addrs: []string{l.Addr().String()}, Namespace: "default", ServiceAccount: "reviews"}
}

// codeOf is what stands for a status in gRPC.
var codeOf = map[int]codes.Code{429: codes.ResourceExhausted, 500: codes.Internal, 503: codes.Unavailable}

// call makes a call, and gives the status and what answered: the header, in gRPC the header
// and the trailer, by names in small letters.
func (y *yard) call(ctx context.Context, header ...string) (int, map[string]string) {
	y.t.Helper()
	got := map[string]string{}
	if y.protocol == "grpc" {
		var head, tail metadata.MD
		_, err := grpc_health_v1.NewHealthClient(y.conn).Check(metadata.AppendToOutgoingContext(ctx, header...), &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&head), grpc.Trailer(&tail))
		for name, values := range metadata.Join(head, tail) {
			got[name] = values[0]
		}
		for code, c := range codeOf {
			if status.Code(err) == c {
				return code, got
			}
		}
		if err != nil {
			y.t.Fatal(err)
		}
		return 200, got
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reviews/x", nil)
	if err != nil {
		y.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := y.client.Do(req)
	if e := enmesh.ErrorOf(err); e != nil {
		return e.Status, got // a refusal of the caller's own mesh
	}
	if err != nil {
		y.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	got["body"] = string(body)
	for name, values := range res.Header {
		got[strings.ToLower(name)] = values[0]
	}
	return res.StatusCode, got
}

// calls makes n calls, and counts them by status.
func (y *yard) calls(n int) map[int]int {
	y.t.Helper()
	got := map[int]int{}
	for range n {
		code, _ := y.call(y.t.Context())
		got[code]++
	}
	return got
}

// own puts documents of own kinds in force, on both sides.
func (y *yard) own(documents string) {
	y.t.Helper()
	servers, callers := y.server.Status().Policy, y.caller.Status().Policy
	y.write("z-own.yaml", documents)
	until(y.t, "the policy is loaded", func() bool {
		return y.server.Status().Policy.Loads > servers.Loads && y.caller.Status().Policy.Loads > callers.Loads
	})
}

// counted is what a mesh counts of a policy's decisions.
func (y *yard) counted(m *mesh.Mesh, policy string, shadow bool) (n int) {
	y.t.Helper()
	line := regexp.MustCompile(fmt.Sprintf(`enmesh_decisions_total\{.*policy=%q.*shadow="%v".*\} (\d+)`, policy, shadow))
	for _, found := range line.FindAllStringSubmatch(scrape(y.t, m), -1) {
		one, _ := strconv.Atoi(found[1])
		n += one
	}
	return n
}
