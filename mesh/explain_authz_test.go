// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/policy"
)

const admins = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: admins, namespace: shop}
spec:
  rules:
  - to: [{operation: {paths: ["/admin/*"]}}]
    when: [{key: "request.auth.claims[groups]", values: [admin]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: later, namespace: shop, annotations: {istio.io/dry-run: "true"}}
spec:
  action: DENY
  rules:
  - to: [{operation: {methods: [DELETE]}}]
`

// What a mesh says of a call is what it does with it, and it names rule, file and line.
func TestMesh_ExplainAuthz(t *testing.T) {
	f := newFort(t, allowWeb+denySecret+admins+strictPeers)
	user, err := mesh.AuthOf("issuer/ann", map[string]any{"groups": []any{"admin", "staff"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		q    mesh.AuthzQuery
		want string // without the path of the file, and its notes
	}{
		"allowed": {mesh.AuthzQuery{Path: "/x", Principal: "cluster.local/ns/shop/sa/web"}, `GET /x
by spiffe://cluster.local/ns/shop/sa/web at 127.0.0.1
allowed: an ALLOW policy matches
  ALLOW shop/viewer rules[0] (policy.yaml:7)
mTLS: STRICT (policy.yaml:39)
`},
		"denied": {mesh.AuthzQuery{Path: "/secret/x", Principal: "spiffe://cluster.local/ns/shop/sa/web"}, `GET /secret/x
by spiffe://cluster.local/ns/shop/sa/web at 127.0.0.1
denied: a DENY policy matches
  DENY shop/secret rules[0] (policy.yaml:16)
mTLS: STRICT (policy.yaml:39)
`},
		"an end user": {mesh.AuthzQuery{Path: "/admin/x", Principal: "cluster.local/ns/shop/sa/cron", Auth: user}, `GET /admin/x
by spiffe://cluster.local/ns/shop/sa/cron at 127.0.0.1, for issuer/ann
allowed: an ALLOW policy matches
  ALLOW shop/admins rules[0] (policy.yaml:24)
mTLS: STRICT (policy.yaml:39)
`},
		"nobody": {mesh.AuthzQuery{Protocol: enmesh.GRPC, Path: "/shop.Reviews/Get"}, `grpc /shop.Reviews/Get
by somebody without mutual TLS at 127.0.0.1
denied: no ALLOW policy matches
mTLS: STRICT (policy.yaml:39)
`},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := f.mesh.ExplainAuthz(t.Context(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(x.String(), strings.TrimSuffix(f.file, "policy.yaml"), "")
			var b strings.Builder
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "note: ") && !strings.HasPrefix(line, "  not by ") {
					b.WriteString(line)
				}
			}
			if b.String() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", text, tt.want)
			}
			s, err := policy.Loader{Namespace: "shop"}.Load(f.file)
			if err != nil {
				t.Fatal(err)
			}
			y, err := mesh.ExplainAuthz(t.Context(), s, "cluster.local", tt.q)
			if err != nil {
				t.Fatal(err)
			}
			if y.String() != x.String() {
				t.Errorf("of the files got\n%s\nof the mesh\n%s", y, x)
			}
		})
	}
	x, err := f.mesh.ExplainAuthz(t.Context(), mesh.AuthzQuery{Method: "DELETE", Path: "/x", Principal: "cluster.local/ns/shop/sa/web"})
	if err != nil || !x.Allowed || !strings.Contains(x.DryRun, "denied: ") || !strings.Contains(x.DryRun, "shop/later rules[0]") {
		t.Errorf("got %+v, %v: want the dry run's say", x, err)
	}
	if len(x.Near) == 0 || x.Near[0].Origin == "" || x.Near[0].Why == "" {
		t.Errorf("got %+v, want the rules that do not match", x.Near)
	}
}

func TestMesh_ExplainAuthz_mistakes(t *testing.T) {
	m := asked(t, nil, nil)
	for want, q := range map[string]mesh.AuthzQuery{
		"does not begin with a slash": {Path: "x"},
		"leave it out":                {Path: "/x?a=b"},
		"is no method of gRPC":        {Protocol: enmesh.GRPC, Path: "/x"},
		"principal: ":                 {Principal: "cluster.local/ns/../sa/web"},
	} {
		if _, err := m.ExplainAuthz(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := mesh.AuthOf("ann", nil); err == nil {
		t.Error("an end user without issuer is taken")
	}
	a, err := mesh.AuthOf("https://a.example/ann", map[string]any{"scope": "read write", "aud": []any{"x", "y"}, "azp": "web"})
	if words, ok := a.Claims["scope"].([]any); err != nil || a.Issuer != "https://a.example" || !ok || len(words) != 2 || len(a.Audiences) != 2 || a.Presenter != "web" {
		t.Errorf("got %+v, %v", a, err)
	}
	if a, err := mesh.AuthOf("", nil); a != nil || err != nil {
		t.Errorf("got %v, %v, want nobody", a, err)
	}
}

// What is asked over HTTP is what a program asks.
func TestExplainer_answersAuthz(t *testing.T) {
	f := newFort(t, allowWeb+denySecret+admins)
	w := question(f.mesh, "/explain/authz?method=GET&path=/admin/x&principal=cluster.local/ns/shop/sa/cron&user=issuer/ann&claim=groups%3D%5B%22admin%22%5D&source=10.0.0.1&port=80&header=a:b")
	var x mesh.AuthzExplanation
	if err := json.Unmarshal(w.Body.Bytes(), &x); w.Code != http.StatusOK || err != nil || !x.Allowed || x.Policy != "shop/admins" || x.MTLS != "PERMISSIVE" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w = question(f.mesh, "/explain/authz?format=text"); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "GET /\nby somebody without mutual TLS at 127.0.0.1\ndenied: ") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for query, want := range map[string]string{
		"/explain/authz?source=x":         `source "x" is no address`,
		"/explain/authz?claim=x":          `claim "x" is not name=value`,
		"/explain/authz?claim=a%3Db":      `"" is no end user: write issuer/subject`,
		"/explain/authz?principle=x":      `parameter "principle" is not known`,
		"/explain/authz?port=0":           `port "0" is no number`,
		"/explain/authz?protocol=tcp":     `protocol "tcp" is not known`,
		"/explain/authz?header=x":         "a header is not name:value",
		"/explain/authz?path=/a&path=/b":  "parameter path is given 2 times",
		"/explain/authz?principal=a%3A//": "principal: ",
	} {
		if w := question(f.mesh, query); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want 400 and %q", query, w.Code, w.Body, want)
		}
	}
}
