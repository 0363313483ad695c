// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/emptypb" // that the method takes

	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// beyond opens a mesh of the program's own, for what gRPC's xDS has not.
func beyond(t *testing.T, service, documents string, opts ...mesh.Option) *mesh.Mesh {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(path, []byte(documents), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := mesh.Open(t.Context(), append(opts, mesh.WithWorkload(mesh.Workload{Service: service}), mesh.WithPolicies(path))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// dialThrough is a client in this process: xDS finds the endpoints, and our interceptors stand above.
func (p *plane) dialThrough(t *testing.T, m *mesh.Mesh) *grpc.ClientConn {
	t.Helper()
	text, err := os.ReadFile(p.bootstrap(web))
	if err != nil {
		t.Fatal(err)
	}
	r, err := xds.NewXDSResolverWithConfigForTesting(text)
	if err != nil {
		t.Fatal(err)
	}
	client := meshgrpc.NewClient(m.Outbound(), nil)
	cc, err := grpc.NewClient("xds:///echo:7070", append(client.InterceptorOptions(), grpc.WithResolvers(r),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// invoke makes a call.
func invoke(t *testing.T, cc *grpc.ClientConn, headers ...string) error {
	t.Helper()
	return invokeMethod(t, cc, unary, headers...)
}

func invokeMethod(t *testing.T, cc *grpc.ClientConn, method string, headers ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), headers...), patience)
	defer cancel()
	return cc.Invoke(ctx, method, new([]byte), new([]byte))
}

func TestMeshgrpc_overXDSHasATimeoutForEachTry(t *testing.T) {
	p, b := one(t, ruled("retries: {attempts: 0}"))
	cc := p.dialThrough(t, beyond(t, "web", `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
  - retries: {attempts: 2, perTryTimeout: 2s, retryOn: "unavailable,deadline-exceeded"}
    route: [{destination: {host: echo}}]
`))
	read := idempotent(t)
	for _, tc := range []struct {
		method string
		code   codes.Code
		tries  int
	}{
		{read, codes.OK, 2},
		{unary, codes.DeadlineExceeded, 1}, // it may have been done, and is not known to be harmless
	} {
		if err := invokeMethod(t, cc, tc.method); err != nil {
			t.Fatal(err)
		}
		before := b.called()
		b.stall(1)
		if err := invokeMethod(t, cc, tc.method); status.Code(err) != tc.code || b.called()-before != tc.tries {
			t.Errorf("%s, whose first try hangs: got %v after %d tries, want %v after %d", tc.method, err, b.called()-before, tc.code, tc.tries)
		}
	}
}

// idempotentOnce links a method that has no side effects into this program.
var idempotentOnce = sync.OnceValue(func() error {
	none := descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("enmesh/interop.proto"), Package: proto.String("enmesh.interop"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/empty.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Reader"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Read"), InputType: proto.String(".google.protobuf.Empty"), OutputType: proto.String(".google.protobuf.Empty"),
			Options: &descriptorpb.MethodOptions{IdempotencyLevel: &none},
		}}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		return err
	}
	return protoregistry.GlobalFiles.RegisterFile(f)
})

func idempotent(t *testing.T) (method string) {
	t.Helper()
	if err := idempotentOnce(); err != nil {
		t.Fatal(err)
	}
	return "/enmesh.interop.Reader/Read"
}

// TestMeshgrpc_overXDSRetriesOnceAndNotTwiceOver holds that the retries of the agent's policy
// and those of the mesh are not multiplied.
func TestMeshgrpc_overXDSRetriesOnceAndNotTwiceOver(t *testing.T) {
	policy := ruled("retries: {attempts: 2, retryOn: unavailable}")
	p, b := one(t, policy)
	cc := p.dialThrough(t, beyond(t, "web", policy))
	if err := invoke(t, cc, "fail", "14"); status.Code(err) != codes.Unavailable || b.called() != 3 {
		t.Errorf("got %v after %d tries, want UNAVAILABLE after 3", err, b.called())
	}
}

func TestMeshgrpc_overXDSHasARetryBudget(t *testing.T) {
	p, b := one(t, ruled("retries: {attempts: 0}"))
	cc := p.dialThrough(t, beyond(t, "web", balanced("retryBudget: {percent: 20, minRetryConcurrency: 1}")+"\n---"+
		ruled("retries: {attempts: 3, retryOn: unavailable}")))
	const calls = 60
	for range calls {
		if err := invoke(t, cc, "fail", "14"); status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
	}
	// 20 % of the calls, and a few that are always allowed; without a budget it were 180.
	if retries := b.called() - calls; retries < 1 || retries > calls {
		t.Errorf("%d calls failed and were tried %d times again, want about %d", calls, retries, calls/5)
	}
}

func TestMeshgrpc_overXDSHasLimitsAndTelemetry(t *testing.T) {
	p, _ := one(t, "")
	registry := prometheus.NewRegistry()
	cc := p.dialThrough(t, beyond(t, "web", `
apiVersion: enmesh.dev/v1
kind: RateLimit
metadata: {name: echo}
spec:
  host: echo
  rules:
  - match: [{headers: {x-limited: {exact: "yes"}}}]
    fixedWindow: {limit: 3, window: 1h}
`, mesh.WithMetrics(registry)))
	ended := map[codes.Code]int{}
	for range 10 {
		ended[status.Code(invoke(t, cc, "x-limited", "yes"))]++
	}
	if ended[codes.OK] > 6 || ended[codes.OK] < 3 || ended[codes.ResourceExhausted] != 10-ended[codes.OK] {
		t.Errorf("calls ended with %v, want 3 OK, or twice that at the edge of a window, and the others refused", ended)
	}
	if err := invoke(t, cc); err != nil {
		t.Errorf("a call without a limit: %v", err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "istio_requests_total" && strings.Contains(m.String(), "echo.default.svc.cluster.local") {
				counted += m.GetCounter().GetValue()
			}
		}
	}
	if counted != 11 {
		t.Errorf("%v calls are counted, want 11", counted)
	}
}

// TestMeshgrpc_underAServerOfXDSReadsTokens puts our interceptors into grpc-go's own server
// for xDS: the agent says who may connect and call, and the mesh reads tokens.
func TestMeshgrpc_underAServerOfXDSReadsTokens(t *testing.T) {
	p := run(t)
	key, keys := signer(t)
	m := beyond(t, "echo", `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: people}
spec:
  selector: {matchLabels: {app: echo}}
  jwtRules:
  - issuer: https://people.example
    jwks: '`+keys+`'
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: people}
spec:
  selector: {matchLabels: {app: echo}}
  rules: [{from: [{source: {requestPrincipals: ["https://people.example/*"]}}]}]
`)
	p.registry.Set("echo", p.serveThrough(t, m).at())
	c := p.client(golang, "echo:7070")
	for _, tc := range []struct {
		token string
		want  codes.Code
	}{
		{"Bearer " + token(t, key, time.Hour), codes.OK},
		{"Bearer " + token(t, key, -time.Hour), codes.Unauthenticated},
		{"Bearer nonsense", codes.Unauthenticated},
		{"", codes.PermissionDenied},
	} {
		headers := []string{"authorization", tc.token}
		if tc.token == "" {
			headers = nil
		}
		if got := c.call(unary, headers...); got.Code != tc.want {
			t.Errorf("token %.20q: got %+v, want %v", tc.token, got, tc.want)
		}
	}
}

// serveThrough is a server of xDS in this process, with our interceptors.
func (p *plane) serveThrough(t *testing.T, m *mesh.Mesh) *backend {
	t.Helper()
	text, err := os.ReadFile(p.bootstrap(web))
	if err != nil {
		t.Fatal(err)
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{behaviour: behaviour{name: "echo", gate: make(chan struct{})}}
	ready := make(chan struct{}, 1)
	in := meshgrpc.NewServer(m.Inbound())
	s, err := xds.NewGRPCServer(grpc.Creds(creds), xds.BootstrapContentsForTesting(text),
		grpc.ChainUnaryInterceptor(in.Unary()), grpc.ChainStreamInterceptor(in.Stream()),
		grpc.UnknownServiceHandler(b.answer), grpc.ForceServerCodec(raw{}),
		xds.ServingModeCallback(func(_ net.Addr, m xds.ServingModeChangeArgs) {
			if m.Mode == connectivity.ServingModeServing {
				select {
				case ready <- struct{}{}:
				default:
				}
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	<-ready
	return b
}

// signer is a key, and the set of keys that verifies what it signs.
func signer(t *testing.T) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return key, string(set)
}

// token is one for ann that lives so long.
func token(t *testing.T, key *ecdsa.PrivateKey, life time.Duration) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "one"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(jwt.Claims{
		Issuer: "https://people.example", Subject: "ann", Expiry: jwt.NewNumericDate(time.Now().Add(life)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
