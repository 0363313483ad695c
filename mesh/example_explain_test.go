// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// Where would a call go, and why? Nothing is sent.
func ExampleMesh_Explain() {
	dir, err := os.MkdirTemp("", "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "reviews.yaml"), []byte(split(90, 10)+"\n---\n"+subsets), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	m, err := mesh.Open(context.Background(), mesh.WithPolicies(dir),
		mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{"reviews": {
			{Addrs: []string{"10.0.0.1:9080"}, Version: "v1"},
			{Addrs: []string{"10.0.0.2:9080"}, Version: "v2"},
			{Addrs: []string{"10.0.0.3:9080"}, Version: "v2", Draining: true},
		}})))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()

	x, err := m.Explain(context.Background(), mesh.Query{Host: "reviews", Path: "/1", Header: http.Header{"End-User": {"jason"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(x.Route, strings.TrimPrefix(x.Rule.Origin, dir+"/"))
	for _, d := range x.Destinations {
		for _, c := range d.Candidates {
			fmt.Println(d.Destination, c.Addr, c.Eligible, cmp.Or(c.Why, "-"))
		}
	}
	// Output:
	// reviews-0 reviews.yaml:7
	// reviews.default.svc.cluster.local/v2 10.0.0.2:9080 true -
	// reviews.default.svc.cluster.local/v2 10.0.0.3:9080 false draining: the registry says that it takes no new calls
	// reviews.default.svc.cluster.local/v2 10.0.0.1:9080 false not in subset v2: want label version=v2, have v1
}

// What became of the last calls to a service?
func ExampleMesh_Decisions() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	m, err := mesh.Open(context.Background(), mesh.WithDecisions(10),
		mesh.WithResolver(discovery.NewStatic(map[string][]discovery.Endpoint{
			"reviews": {{Addrs: []string{server.Listener.Addr().String()}, Version: "v1"}},
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	defer func() { _ = transport.Close() }()
	client := &http.Client{Transport: transport}

	_, _ = fetch(client, "http://reviews/1?token=secret")
	_, _ = fetch(client, "http://nobody/")
	for _, d := range m.Decisions("") {
		fmt.Println(d.Authority+d.Path, d.Status, d.Code, cmp.Or(d.Flag, "-"), len(d.Attempts))
	}
	// Output:
	// nobody/ 404 UNIMPLEMENTED NR 1
	// reviews/1 404 NOT_FOUND - 1
}

// The same over HTTP, for a person with curl. WithStatus serves it on a loopback address.
func ExampleMesh_Explainer() {
	m, err := mesh.Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()
	w := httptest.NewRecorder()
	m.Explainer().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/explain?host=reviews&format=text", http.NoBody))
	first, _, _ := strings.Cut(w.Body.String(), "\n  retries")
	fmt.Println(first)
	// Output:
	// GET http://reviews/
	// no VirtualService names reviews.default.svc.cluster.local
	// refused: 404 NR: no rule and no registry knows the host
}
