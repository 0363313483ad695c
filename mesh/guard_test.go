// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// fort is a process that is guarded, and those who call it.
type fort struct {
	t         *testing.T
	authority *ca.Development
	mesh      *mesh.Mesh
	file      string
	addr      string
}

// newFort serves under a policy. Every request is answered with 200.
func newFort(t *testing.T, documents string, opts ...mesh.Option) *fort {
	t.Helper()
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	src, err := authority.Source("shop", "reviews")
	if err != nil {
		t.Fatal(err)
	}
	f := &fort{t: t, authority: authority, file: filepath.Join(t.TempDir(), "policy.yaml")}
	f.write(documents)
	f.mesh, err = mesh.Open(t.Context(), append([]mesh.Option{
		mesh.WithWorkload(mesh.Workload{Service: "reviews", Namespace: "shop"}), mesh.WithPolicies(f.file), mesh.WithCertificates(src),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	server := meshhttp.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}), f.mesh.Inbound()))
	ended := make(chan struct{})
	go func() { _ = server.Serve(f.mesh.Listen(l)); close(ended) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
		if err := f.mesh.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fort) write(documents string) {
	f.t.Helper()
	next := f.file + ".next"
	if err := os.WriteFile(next, []byte(documents), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(next, f.file); err != nil {
		f.t.Fatal(err)
	}
}

// client calls as an account of the namespace shop; as "" in plaintext.
func (f *fort) client(account string) *http.Client {
	f.t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true}
	if account != "" {
		src, err := f.authority.Source("shop", account)
		if err != nil {
			f.t.Fatal(err)
		}
		transport.TLSClientConfig = mtls.Client(src, f.mesh.Status().Identity.ID)
	}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// get is the status of a GET, and what the handler said; 0: there was no connection.
func (f *fort) get(c *http.Client, path string) (int, string) {
	f.t.Helper()
	scheme := "http"
	if t, ok := c.Transport.(*http.Transport); ok && t.TLSClientConfig != nil && t.TLSClientConfig.VerifyConnection != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, scheme+"://"+f.addr+path, http.NoBody)
	if err != nil {
		f.t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// becomes waits until a condition holds.
func (f *fort) becomes(what string, holds func() bool) {
	f.t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%s: not after 20 s", what)
		}
	}
}

const (
	allowWeb = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: viewer, namespace: shop}
spec:
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]
`
	denySecret = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: secret, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: ["/secret*"]}}]
`
	strictPeers = `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
`
)

// Policy of the file holds, over HTTP/2 and mutual TLS; an edit holds for the next call; one
// that does not compile changes nothing.
func TestMesh_authorizesByPolicy(t *testing.T) {
	f := newFort(t, allowWeb+denySecret+strictPeers)
	web, other := f.client("web"), f.client("other")
	for _, tt := range []struct {
		client *http.Client
		path   string
		want   int
	}{{web, "/", 200}, {web, "/secret", 403}, {web, "/x/..//secret", 403}, {other, "/", 403}, {f.client(""), "/", 0}} {
		got, body := f.get(tt.client, tt.path)
		if got != tt.want || got == 200 && body != "HTTP/2.0" || got == 403 && body != "RBAC: access denied" {
			t.Errorf("%s: got %d %q, want %d", tt.path, got, body, tt.want)
		}
	}
	f.write(allowWeb + strictPeers)
	f.becomes("the secret is open", func() bool { got, _ := f.get(web, "/secret"); return got == 200 })
	f.write(strings.Replace(allowWeb, "principals:", "principal:", 1) + strictPeers)
	f.becomes("the load is refused", func() bool { return f.mesh.Status().Policy.Err != nil })
	if got, _ := f.get(other, "/"); got != 403 {
		t.Errorf("after a refused load got %d, want that the last good policy holds: 403", got)
	}
	if got := f.mesh.Status().Policy.Err.Error(); !strings.Contains(got, "policy.yaml:7:") || !strings.Contains(got, "did you mean principals?") {
		t.Errorf("got %q, want the place and the fix", got)
	}
}

// Mutual TLS is strict as soon as there is an identity; with Istio's documents plaintext is
// taken too, until one says otherwise: connections in plaintext are closed then.
func TestMesh_listensAsPeerAuthenticationSays(t *testing.T) {
	f := newFort(t, "")
	plain, web := f.client(""), f.client("web")
	state := func() (a, b int) {
		a, _ = f.get(plain, "/")
		b, _ = f.get(web, "/")
		return a, b
	}
	if a, b := state(); a != 0 || b != 200 {
		t.Errorf("without documents got %d in plaintext and %d by mutual TLS, want 0 and 200", a, b)
	}
	f.write(strings.Replace(denySecret, "---\n", "", 1))
	f.becomes("permissive", func() bool { a, b := state(); return a == 200 && b == 200 })
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	f.write(strings.Replace(strictPeers, "---\n", "", 1))
	f.becomes("strict", func() bool { a, b := state(); return a == 0 && b == 200 })
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a connection in plaintext is open 10 s after the port has become STRICT")
	}
	f.write(strings.Replace(strings.Replace(strictPeers, "---\n", "", 1), "STRICT", "DISABLE", 1))
	f.becomes("disabled", func() bool { a, _ := state(); return a == 200 })
	if got, _ := f.get(f.client("web"), "/"); got != 0 {
		t.Errorf("got %d by mutual TLS from a port that is DISABLE, want none", got)
	}
}

// A process without an identity never takes plaintext where policy wants mutual TLS.
func TestMesh_withoutIdentityStrictTakesNobody(t *testing.T) {
	for documents, want := range map[string]bool{"": true, strictPeers: false, denySecret: true} {
		file := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(file, []byte(strings.TrimPrefix(documents, "\n---")), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := mesh.Open(t.Context(), mesh.WithPolicies(file), mesh.WithWorkload(mesh.Workload{Namespace: "shop"}))
		if err != nil {
			t.Fatal(err)
		}
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := m.Listen(inner)
		accepted := make(chan bool, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_ = c.Close()
			}
			accepted <- err == nil
		}()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		_, _ = io.Copy(io.Discard, c) // until it is closed
		_ = c.Close()
		_ = l.Close()
		if got := <-accepted; got != want {
			t.Errorf("with %q: accepted %v, want %v", documents, got, want)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// checker decides by a header.
type checker struct{ asked atomic.Int64 }

func (c *checker) Check(_ context.Context, call *enmesh.Call) error {
	c.asked.Add(1)
	switch call.Header.Get("x-say") {
	case "yes":
		return nil
	case "no":
		return &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral, Status: 418, Policy: "checker"}
	}
	return errors.New("no idea")
}

// CUSTOM asks who the program has named, and fails closed; a provider that nobody has named
// refuses the load.
func TestMesh_asksAuthorizers(t *testing.T) {
	const custom = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: asked, namespace: shop}
spec:
  action: CUSTOM
  provider: {name: opa}
  rules:
  - to: [{operation: {notPaths: [/healthz]}}]
`
	var c checker
	f := newFort(t, custom, mesh.WithAuthorizer("opa", &c), mesh.WithAuthzAudit(func(_ context.Context, _ *enmesh.Call, d *authz.Decision) {
		if d.Allowed {
			t.Errorf("the audit hears of %+v", d)
		}
	}))
	ask := func(path, say string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+f.addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-say", say)
		resp, err := f.client("web").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, tt := range []struct {
		path, say string
		want      int
	}{{"/", "yes", 200}, {"/", "no", 418}, {"/", "", 503}, {"/healthz", "no", 200}} {
		if got := ask(tt.path, tt.say); got != tt.want {
			t.Errorf("%s, %q: got %d, want %d", tt.path, tt.say, got, tt.want)
		}
	}
	if n := c.asked.Load(); n != 3 {
		t.Errorf("it was asked %d times, want 3", n)
	}
	_, err := mesh.Open(t.Context(), mesh.WithPolicies(f.file), mesh.WithWorkload(mesh.Workload{Namespace: "shop"}))
	if err == nil || !strings.Contains(err.Error(), `policy.yaml:2: provider "opa" of a CUSTOM policy is not known: open the mesh with mesh.WithAuthorizer("opa", ...)`) {
		t.Errorf("got %v, want the place and what to do", err)
	}
}

// The root namespace is the one that the program names: policies there are for the whole mesh,
// and those of the usual one for its own processes only.
func TestMesh_rootNamespace(t *testing.T) {
	document := func(kind, namespace, spec string) string {
		return "apiVersion: security.istio.io/v1\nkind: " + kind + "\nmetadata: {name: all, namespace: " + namespace + "}\nspec: {" + spec + "}\n---\n"
	}
	strict, denyAll := "mtls: {mode: STRICT}", "action: DENY, rules: [{to: [{operation: {paths: [/secret]}}]}]"
	for _, tt := range []struct {
		namespace   string
		opts        []mesh.Option
		plain, deny int
	}{
		{"mesh-root", []mesh.Option{mesh.WithRootNamespace("mesh-root")}, 0, 403},
		{"istio-system", []mesh.Option{mesh.WithRootNamespace("mesh-root")}, 200, 200},
		{"istio-system", nil, 0, 403},
		{"mesh-root", nil, 200, 200},
	} {
		f := newFort(t, document("PeerAuthentication", tt.namespace, strict)+document("AuthorizationPolicy", tt.namespace, denyAll), tt.opts...)
		plain, _ := f.get(f.client(""), "/")
		denied, _ := f.get(f.client("web"), "/secret")
		if plain != tt.plain || denied != tt.deny {
			t.Errorf("documents in %s with %d options: plaintext got %d, the secret %d; want %d and %d", tt.namespace, len(tt.opts), plain, denied, tt.plain, tt.deny)
		}
	}
}

// What no policy is about is allowed, unless the program says otherwise.
func TestMesh_defaultOfAuthorization(t *testing.T) {
	f := newFort(t, "", mesh.WithAuthzDefault(authz.DenyByDefault), mesh.WithHiddenDenials())
	if got, _ := f.get(f.client("web"), "/"); got != 404 {
		t.Errorf("got %d, want 404", got)
	}
}

// Metrics count what AUDIT matches and what a dry run would change, with nobody to hear of it.
func TestMesh_countsAuditAndDryRun(t *testing.T) {
	f := newFort(t, `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: watched, namespace: shop}
spec:
  action: AUDIT
  rules: [{to: [{operation: {paths: [/watched]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: open, namespace: shop}
spec:
  rules: [{to: [{operation: {notPaths: [/closed]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: wider, namespace: shop, annotations: {"istio.io/dry-run": "true"}}
spec:
  rules: [{to: [{operation: {paths: [/closed]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: narrower, namespace: shop, annotations: {"istio.io/dry-run": "true"}}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: [/later]}}]}]
`)
	web := f.client("")
	for path, want := range map[string]int{"/": 200, "/watched": 200, "/closed": 403, "/later": 200} {
		if got, _ := f.get(web, path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	text := scrape(t, f.mesh)
	for action, shadow := range map[string]string{"audit": "false", "allow": "true", "refuse": "true"} {
		line := regexp.MustCompile(`(?m)^enmesh_decisions_total\{action="` + action + `",.*policy="authz",.*shadow="` + shadow + `".*\} 1$`)
		if !line.MatchString(text) {
			t.Errorf("%s, shadow %s: one is not counted in:\n%s", action, shadow, text)
		}
	}
}

// Readiness ends before the certificate does, status and metrics tell of it, and nothing
// falls back to plaintext.
func TestScenarioT6_readinessEndsBeforeTheCertificate(t *testing.T) {
	var back atomic.Int64
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	id := security.MustParseID("spiffe://cluster.local/ns/shop/sa/reviews")
	whole, err := authority.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	life := whole.NotAfter().Sub(whole.NotBefore())
	back.Store(int64(time.Until(whole.NotAfter()) - life/20 - 3*time.Second)) // a twentieth and 3 s are left
	old, err := authority.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	src := &stuck{own: old}
	m, err := mesh.Open(t.Context(), mesh.WithCertificates(src))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Health().Set(mesh.PhaseReady)
	ready, changed := m.Health().Ready()
	if !ready {
		t.Fatal("not ready with a certificate that is good")
	}
	select {
	case <-changed:
	case <-time.After(20 * time.Second):
		t.Fatal("ready for 20 s more")
	}
	if ready, _ := m.Health().Ready(); ready || time.Until(old.NotAfter()) < time.Minute {
		t.Errorf("ready %v, %v before the end", ready, time.Until(old.NotAfter()))
	}
	s := m.Status().Identity
	if s.ID != id || s.Err == nil || s.Failures != 1 || s.Rotations != 0 {
		t.Errorf("got status %+v", s)
	}
	out := httptest.NewRecorder()
	m.Metrics().ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	for _, want := range []string{"enmesh_certificate_seconds_left 1", "enmesh_certificate_failing 1", "enmesh_certificate_errors_total 1"} {
		if !strings.Contains(out.Body.String(), want) {
			t.Errorf("metrics do not have %q", want)
		}
	}
	if m.ServerTLS() == nil {
		t.Error("got plaintext")
	}
}

// stuck is a source whose issuer is down.
type stuck struct{ own *security.Identity }

func (s *stuck) Identity() (*security.Identity, error) { return s.own, nil }
func (s *stuck) Err() error                            { return errors.New("the issuer is down") }

// What Run serves is guarded where it is said.
func TestRun_listensGuarded(t *testing.T) {
	f := newFort(t, strings.TrimPrefix(strictPeers, "\n---"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	web := meshhttp.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), f.mesh.Inbound()))
	ended := make(chan error, 1)
	go func() {
		ended <- mesh.Run(ctx, f.mesh, mesh.Serving{Server: meshhttp.Graceful(web), Listener: l, Protocol: "http", Guarded: true},
			mesh.WithSignals(), mesh.WithTiming(mesh.Timing{Propagation: -1, Hint: -1}))
	}()
	f.becomes("served by mutual TLS", func() bool { got, _ := f.get(f.client("web"), "/"); return got == 200 })
	if got, _ := f.get(f.client(""), "/"); got != 0 {
		t.Errorf("got %d in plaintext, want no connection", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
