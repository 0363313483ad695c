// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/ca"
)

// bank is a host outside of the mesh, that wants a certificate of its own authority.
type bank struct {
	dir    string
	server *httptest.Server
	root   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{dir: t.TempDir()}
	b.root, b.key = b.issue(t, "root", nil, nil)
	pool := x509.NewCertPool()
	pool.AddCert(b.root)
	leaf, key := b.issue(t, "api.bank.example", b.root, b.key)
	rpc := grpc.NewServer(grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		from, _ := peer.FromContext(ctx)
		secured, _ := from.AuthInfo.(credentials.TLSInfo)
		if err := grpc.SetHeader(ctx, metadata.Pairs("served-by", asks(&secured.State))); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}))
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/grpc" {
			rpc.ServeHTTP(w, r)
			return
		}
		_, _ = io.WriteString(w, asks(r.TLS))
	}))
	b.server.EnableHTTP2 = true
	b.server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
	}
	b.server.StartTLS()
	t.Cleanup(b.server.Close)
	return b
}

// asks is who calls, and by which name.
func asks(s *tls.ConnectionState) string {
	who := "nobody"
	if len(s.PeerCertificates) > 0 {
		who = s.PeerCertificates[0].Subject.CommonName
	}
	return who + " asks " + s.ServerName
}

// issue makes a certificate of parent, its own without one.
func (b *bank) issue(t *testing.T, name string, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage, cert.DNSNames, cert.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil, nil
		parent, by = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// write puts a certificate, and its key if there is one, into the bank's folder.
func (b *bank) write(t *testing.T, name string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	put := func(file, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(b.dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		put(name+".key", "PRIVATE KEY", der)
	}
	put(name+".pem", "CERTIFICATE", cert.Raw)
}

const bankRule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: bank}
spec:
  host: api.bank.example
  trafficPolicy:
    tls: {TLS}
`

// A host outside is called over the TLS that its DestinationRule says, with files that may
// come later; whoever else answers is refused, and nothing is ever sent in plaintext.
func TestMesh_callsHostsOutsideOverTLS(t *testing.T) {
	t.Run("HTTP", func(t *testing.T) {
		callsHostsOutside(t, func(m *mesh.Mesh, host string) (string, error) {
			transport := meshhttp.NewTransport(nil, m.Outbound(), m)
			defer transport.Close()
			return get(t.Context(), &http.Client{Transport: transport, Timeout: 20 * time.Second}, "http://"+host+"/")
		})
	})
	t.Run("gRPC", func(t *testing.T) {
		callsHostsOutside(t, func(m *mesh.Mesh, host string) (string, error) {
			cc, err := grpc.NewClient("enmesh:///"+host, meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			return check(ctx, cc)
		})
	})
}

func callsHostsOutside(t *testing.T, call func(m *mesh.Mesh, host string) (string, error)) {
	t.Helper()
	b := newBank(t)
	client, key := b.issue(t, "shop", b.root, b.key)
	b.write(t, "client", client, key)
	other, _ := b.issue(t, "another root", nil, nil)
	b.write(t, "other", other, nil)
	file := filepath.Join(t.TempDir(), "bank.yaml")
	write := func(settings string) {
		settings = strings.ReplaceAll(settings, "DIR", b.dir)
		if err := os.WriteFile(file+".next", []byte(strings.ReplaceAll(bankRule, "TLS", settings)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".next", file); err != nil {
			t.Fatal(err)
		}
	}
	write("mode: SIMPLE, caCertificates: DIR/root.pem")
	m, err := mesh.Open(t.Context(), mesh.WithPolicies(file), mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{
		"api.bank.example": {{Addrs: []string{b.server.Listener.Addr().String()}}},
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ask := func() string {
		got, err := call(m, "api.bank.example")
		if err != nil {
			return "refused"
		}
		return got
	}
	becomes := func(settings, want string) {
		t.Helper()
		got := ""
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if got = ask(); got == want {
				return
			}
		}
		t.Fatalf("%s: got %q, want %q", settings, got, want)
	}
	if got := ask(); got != "refused" {
		t.Errorf("without its file: got %q", got)
	}
	b.write(t, "root", b.root, nil)
	becomes("the file has come", "nobody asks api.bank.example")
	for _, tt := range []struct{ settings, want string }{
		{"mode: MUTUAL, caCertificates: DIR/root.pem, clientCertificate: DIR/client.pem, privateKey: DIR/client.key", "shop asks api.bank.example"},
		{"mode: SIMPLE, caCertificates: DIR/other.pem", "refused"},
		{"mode: SIMPLE, caCertificates: DIR/root.pem, sni: other.example, subjectAltNames: [api.bank.example]", "nobody asks other.example"},
		{"mode: SIMPLE, caCertificates: DIR/root.pem, subjectAltNames: [other.example]", "refused"},
		{"mode: SIMPLE, insecureSkipVerify: true", "nobody asks api.bank.example"},
		{"mode: SIMPLE, credentialName: secret", "refused"},
	} {
		write(tt.settings)
		becomes(tt.settings, tt.want)
	}
	if got := m.Status().Policy.Err; got != nil {
		t.Error(got)
	}
}

// Automatic mutual TLS: an endpoint without an identity is called in plaintext as in Istio
// where Istio's defaults hold and the process is not STRICT itself, and refused elsewhere.
func TestMesh_callsStrangersInPlaintextAsIstioDoes(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	plainRPC, rpc := loopback(t), grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	served := make(chan struct{})
	go func() { defer close(served); _ = rpc.Serve(plainRPC) }()
	t.Cleanup(func() { rpc.Stop(); <-served })
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	src, err := authority.Source("shop", "web")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		documents, account string
		want               bool
	}{
		"no documents":               {"", "", false},
		"documents":                  {denySecret, "", true},
		"STRICT":                     {strictPeers, "", false},
		"documents, and an identity": {denySecret, "legacy", false}, // it speaks no TLS
		"DISABLE": {denySecret + `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: legacy, namespace: shop}
spec: {host: legacy, trafficPolicy: {tls: {mode: DISABLE}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: legacy-rpc, namespace: shop}
spec: {host: legacy-rpc, trafficPolicy: {tls: {mode: DISABLE}}}
`, "legacy", true},
		"ISTIO_MUTUAL": {denySecret + `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: legacy, namespace: shop}
spec: {host: legacy, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: legacy-rpc, namespace: shop}
spec: {host: legacy-rpc, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "policy.yaml")
			if err := os.WriteFile(file, []byte(strings.TrimPrefix(tt.documents, "\n---")), 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := mesh.Open(t.Context(), mesh.WithWorkload(mesh.Workload{Service: "web", Namespace: "shop"}), mesh.WithPolicies(file), mesh.WithCertificates(src),
				mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{
					"legacy":     {{Addrs: []string{plain.Listener.Addr().String()}, Namespace: "shop", ServiceAccount: tt.account}},
					"legacy-rpc": {{Addrs: []string{plainRPC.Addr().String()}, Namespace: "shop", ServiceAccount: tt.account}},
				})))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			transport := meshhttp.NewTransport(nil, m.Outbound(), m)
			defer transport.Close()
			resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Get("http://legacy/")
			if err == nil {
				_ = resp.Body.Close()
			}
			if got := err == nil && resp.StatusCode == http.StatusOK; got != tt.want {
				t.Errorf("HTTP: got %v, %v, want %v", got, err, tt.want)
			}
			if _, err := check(t.Context(), (&town{t: t}).conn(m, "enmesh:///legacy-rpc")); (err == nil) != tt.want {
				t.Errorf("gRPC: got %v, want it answered %v", err, tt.want)
			}
		})
	}
}

// A reload keeps the keys of issuers whose rules did not change, also where others did.
func TestMesh_keepsTokenKeysOverReloads(t *testing.T) {
	var fetched atomic.Int64
	keys := roundTrip(func(r *http.Request) (*http.Response, error) {
		fetched.Add(1)
		w := httptest.NewRecorder()
		_, _ = w.WriteString(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)
		return w.Result(), nil
	})
	rule := func(name, uri string) string {
		return "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: " + name + ", namespace: shop}\n" +
			"spec: {jwtRules: [{issuer: " + name + ", jwksUri: 'https://keys.example/" + uri + "'}]}\n---\n"
	}
	f := newFort(t, rule("a", "a"), mesh.WithTokenClient(&http.Client{Transport: keys}))
	has := func(n int) func() bool {
		return func() bool {
			good := 0
			for _, k := range f.mesh.Status().Keys {
				good += k.Keys
			}
			return good == n && len(f.mesh.Status().Keys) == n
		}
	}
	f.becomes("the keys are there", has(1))
	f.write(rule("a", "a") + rule("b", "b") + allowWeb)
	f.becomes("those of another issuer too", has(2))
	if n := fetched.Load(); n != 2 {
		t.Errorf("keys were fetched %d times, want once for each issuer", n)
	}
	f.write(allowWeb)
	f.becomes("none is needed", has(0))
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
