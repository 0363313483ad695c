// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

// A server and a client over HTTP, each with the mesh of its own process.
func ExampleOpen() {
	ctx := context.Background()
	serving, err := mesh.Open(ctx, mesh.WithWorkload(mesh.Workload{Service: "reviews", Version: "v1"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = serving.Close() }()
	stars := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "five stars") })
	server := httptest.NewServer(meshhttp.NewHandler(stars, serving.Inbound()))
	defer server.Close()

	calling, err := mesh.Open(ctx,
		mesh.WithWorkload(mesh.Workload{Service: "productpage", Version: "v1"}),
		mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{
			"reviews": {{Addrs: []string{server.Listener.Addr().String()}}},
		})),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = calling.Close() }()
	transport := meshhttp.NewTransport(nil, calling.Outbound(), calling)
	defer func() { _ = transport.Close() }()

	fmt.Println(fetch(&http.Client{Transport: transport}, "http://reviews:9080/1"))
	// Output: five stars <nil>
}

// Policy decides where calls go; an edit of its file counts within a second.
func ExampleWithPolicies() {
	dir, err := os.MkdirTemp("", "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "reviews.yaml")
	if err := os.WriteFile(path, []byte(abort("503")), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	m, err := mesh.Open(context.Background(), mesh.WithPolicies(path))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	defer func() { _ = transport.Close() }()
	client := &http.Client{Transport: transport}

	_, err = fetch(client, "http://reviews/")
	fmt.Println(err)
	before := m.Status().Policy.Version
	err = errors.Join(os.WriteFile(path+".next", []byte(abort("418")), 0o600), os.Rename(path+".next", path))
	if err != nil {
		fmt.Println(err)
		return
	}
	for end := time.Now().Add(10 * time.Second); m.Status().Policy.Version == before && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	_, err = fetch(client, "http://reviews/")
	fmt.Println(err)
	// Output:
	// status 503
	// status 418
}

// A mistake in a policy file is named by its place.
func ExampleWithPolicies_mistake() {
	dir, err := os.MkdirTemp("", "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "reviews.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(abort("503"), "fault", "fualt", 1)), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	_, err = mesh.Open(context.Background(), mesh.WithPolicies(path))
	fmt.Println(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""))
	// Output:
	// policy: reviews.yaml:7:5: VirtualService "reviews" (document 1): spec.http[0].fualt: no such field in HTTPRoute: did you mean fault?
}

// With certificates every connection is mutual TLS: the client accepts the server
// that the registry names, and the server knows who calls.
func ExampleWithCertificates() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	serving, err := secured(authority, "reviews", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = serving.Close() }()
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+enmesh.FromContext(r.Context()).Source.Identity)
	})
	server := httptest.NewUnstartedServer(meshhttp.NewHandler(greet, serving.Inbound()))
	server.TLS = serving.ServerTLS()
	server.StartTLS()
	defer server.Close()

	addrs := []string{server.Listener.Addr().String()}
	calling, err := secured(authority, "productpage", discovery.NewStatic(map[string][]discovery.Endpoint{
		"reviews": {{Addrs: addrs, Namespace: "default", ServiceAccount: "reviews"}},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = calling.Close() }()
	transport := meshhttp.NewTransport(nil, calling.Outbound(), calling)
	defer func() { _ = transport.Close() }()

	fmt.Println(fetch(&http.Client{Transport: transport}, "http://reviews/"))
	// Output: hello spiffe://cluster.local/ns/default/sa/productpage <nil>
}

// A server that takes one call, and one more every hour.
func ExampleWithInbound() {
	bucket, err := limit.NewTokenBucket(limit.Config{Rate: 1.0 / 3600, Burst: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := mesh.Open(context.Background(), mesh.WithInbound(bucket.Middleware()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	stars := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "five stars") })
	handler := meshhttp.NewHandler(stars, m.Inbound())
	for range 2 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/reviews/1", http.NoBody))
		fmt.Printf("%d %q %q\n", w.Code, strings.TrimSpace(w.Body.String()), w.Header()["Retry-After"])
	}
	// Output:
	// 200 "five stars" []
	// 429 "limit: rate limit reached" ["3600"]
}

// A span of every call. Without WithTracing the trace context goes through.
func ExampleWithTracing() {
	exporter := tracetest.NewInMemoryExporter() // a program has an OTLP exporter here
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	m, err := mesh.Open(context.Background(),
		mesh.WithTracing(tracing.New(tracing.Config{Provider: provider})))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	stars := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "five stars") })
	r := httptest.NewRequest(http.MethodGet, "/reviews/1", http.NoBody)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	meshhttp.NewHandler(stars, m.Inbound()).ServeHTTP(httptest.NewRecorder(), r)

	span := exporter.GetSpans()[0]
	fmt.Println(span.Name, span.SpanKind, span.SpanContext.TraceID())
	// Output: GET server 0af7651916cd43dd8448eb211c80319c
}

// What the mesh knows about itself.
func ExampleMesh_Status() {
	m, err := mesh.Open(context.Background(), mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{
		"reviews": {{Addrs: []string{"127.0.0.1:9080"}}, {Addrs: []string{"127.0.0.1:9081"}}},
	})))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	// A service is followed from the first call to it, or from here.
	if err := m.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP).Wait(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range m.Status().Services {
		fmt.Println(s.Service, s.Known, s.Endpoints, s.Err)
	}
	// Output: reviews.default.svc.cluster.local true 2 <nil>
}

// secured opens the mesh of a service that has an identity.
func secured(authority *ca.Development, service string, r discovery.Resolver) (*mesh.Mesh, error) {
	identity, err := authority.Source("default", service)
	if err != nil {
		return nil, err
	}
	opts := []mesh.Option{mesh.WithWorkload(mesh.Workload{Service: service}), mesh.WithCertificates(identity)}
	if r != nil {
		opts = append(opts, mesh.WithResolver(r))
	}
	return mesh.Open(context.Background(), opts...)
}

// abort is a policy under which every call to reviews is answered with a status.
func abort(status string) string {
	return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - fault: {abort: {httpStatus: ` + status + `, percentage: {value: 100}}}
    route: [{destination: {host: reviews}}]
`
}

// fetch is the text of an answer.
func fetch(c *http.Client, url string) (string, error) { return get(context.Background(), c, url) }
