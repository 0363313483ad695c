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

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

const webMayRead = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: default}
spec:
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]
    to: [{operation: {methods: [GET]}}]
`

// A server listens through the mesh: who may connect, and who may call what, is policy.
func ExampleMesh_Listen() {
	dir, err := os.MkdirTemp("", "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(webMayRead), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	identity, err := authority.Source("default", "reviews")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := mesh.Open(context.Background(), mesh.WithPolicies(dir), mesh.WithCertificates(identity))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = m.Close() }()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello, "+enmesh.FromContext(r.Context()).Source.Identity)
	})
	server := meshhttp.NewServer(meshhttp.NewHandler(handler, m.Inbound()))
	go server.Serve(m.Listen(l))
	defer server.Close()

	for _, account := range []string{"web", "cron"} {
		caller, err := authority.Source("default", account)
		if err != nil {
			fmt.Println(err)
			return
		}
		transport := &http.Transport{TLSClientConfig: mtls.Client(caller, identity.ID()), DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode, string(body))
	}
	// Output:
	// 200 hello, spiffe://cluster.local/ns/default/sa/web
	// 403 RBAC: access denied
}

// Policy files are asked what they make of a call, without a mesh.
func ExampleExplainAuthz() {
	s, err := policy.Parse([]policy.File{{Name: "web.yaml", Data: []byte(webMayRead)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := mesh.ExplainAuthz(context.Background(), s, "cluster.local", mesh.AuthzQuery{
		Method: "DELETE", Path: "/reviews/1", Principal: "cluster.local/ns/default/sa/web",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(x)
	// Output:
	// DELETE /reviews/1
	// by spiffe://cluster.local/ns/default/sa/web at 127.0.0.1
	// denied: no ALLOW policy matches
	// mTLS: PERMISSIVE (by default)
	//   not by ALLOW default/web rules[0] (web.yaml:7): to[0].methods is none of "GET"
}
