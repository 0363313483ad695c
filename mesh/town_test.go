// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/ca"
)

// town is a registry, an authority and a folder of policy that the services of a
// test live in.
type town struct {
	t         *testing.T
	registry  *discovery.Memory
	authority *ca.Development
	policies  string
}

func newTown(t *testing.T, documents ...string) *town {
	t.Helper()
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	town := &town{t: t, registry: discovery.NewMemory(), authority: authority, policies: t.TempDir()}
	town.write("policy.yaml", strings.Join(documents, "\n---\n"))
	return town
}

// write puts a policy file in force, in one step.
func (o *town) write(name, text string) {
	o.t.Helper()
	next := filepath.Join(o.t.TempDir(), name)
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(o.policies, name)); err != nil {
		o.t.Fatal(err)
	}
}

// open makes the mesh of a service that has an identity.
func (o *town) open(service, version string, opts ...mesh.Option) *mesh.Mesh {
	o.t.Helper()
	id, err := o.authority.Source("default", service)
	if err != nil {
		o.t.Fatal(err)
	}
	m, err := mesh.Open(o.t.Context(), append([]mesh.Option{
		mesh.WithWorkload(mesh.Workload{Service: service, Version: version}),
		mesh.WithResolver(o.registry), mesh.WithPolicies(o.policies), mesh.WithCertificates(id),
	}, opts...)...)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			o.t.Error(err)
		}
	})
	return m
}

// serve starts an instance over HTTP that answers with its version, and gives its
// endpoint.
func (o *town) serve(service, version string, h http.HandlerFunc) discovery.Endpoint {
	o.t.Helper()
	m := o.open(service, version)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	if h == nil {
		h = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, version) }
	}
	server := &http.Server{Handler: meshhttp.NewHandler(h, m.Inbound()), TLSConfig: m.ServerTLS(), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ServeTLS(l, "", "") }()
	o.t.Cleanup(func() { _ = server.Close(); <-done })
	return discovery.Endpoint{
		Addrs: []string{l.Addr().String()}, Namespace: "default", ServiceAccount: service,
		Labels: map[string]string{"version": version}, Version: version,
	}
}

// client is an HTTP client of a mesh.
func (o *town) client(m *mesh.Mesh) *http.Client {
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	o.t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport}
}

// get is the body of an answer, or what went wrong.
func get(ctx context.Context, c *http.Client, url string, header ...string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		return string(body), fmt.Errorf("status %d", res.StatusCode)
	}
	return string(body), err
}

// until polls under a deadline.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	hung := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-hung:
			t.Fatalf("not in 10 s: %s", what)
		}
	}
}
