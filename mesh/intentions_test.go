// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/security/authz/intentions"
)

const (
	// denyMarked refuses calls that carry a field, whoever makes them.
	denyMarked = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: marked, namespace: default}
spec: {action: DENY, rules: [{when: [{key: "request.headers[x-marked]", values: ["yes"]}]}]}
`
	askConsul = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: consul, namespace: default}
spec: {action: CUSTOM, provider: {name: consul}, rules: [{}]}
`
)

// intentionsFor writes who may call a service, and that nobody else may.
func intentionsFor(node *consultest.Node, service, caller string) {
	node.OK(http.MethodPut, "/v1/config", map[string]any{
		"Kind": "service-intentions", "Name": service,
		"Sources": []map[string]any{{"Name": caller, "Action": "allow"}, {"Name": "*", "Action": "deny"}},
	}, nil)
}

// TestMesh_intentionsBesideDocuments: Consul's intentions guard the servers of a mesh, over
// HTTP and gRPC, as a gate of the program or as the provider that an AuthorizationPolicy
// names. Another AuthorizationPolicy refuses besides, and a change of Consul's is in force
// without one of the documents.
func TestMesh_intentionsBesideDocuments(t *testing.T) {
	node := consultest.Dev(t, consultest.Config{})
	for name, way := range map[string]struct {
		documents string
		with      func(*intentions.Authorizer) mesh.Option
	}{
		"a gate":     {denyMarked, func(a *intentions.Authorizer) mesh.Option { return mesh.WithInbound(enmesh.Guard(a)) }},
		"a provider": {denyMarked + askConsul, func(a *intentions.Authorizer) mesh.Option { return mesh.WithAuthorizer("consul", a) }},
	} {
		t.Run(name, func(t *testing.T) {
			guarded := func(service string) *mesh.Mesh {
				intentionsFor(node, service, "a")
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				guard, err := intentions.New(ctx, intentions.Config{Service: service, API: &api.Config{Address: node.Addr}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = guard.Close() }) // it has no error
				m, _ := asConsul(t, node, service, mesh.WithPolicies(newTown(t, way.documents).policies), way.with(guard))
				return m
			}
			overHTTP, overGRPC := loopback(t), loopback(t)
			overMesh(t, guarded("web"), overHTTP)
			overMeshGRPC(t, guarded("rpc"), overGRPC)
			registered(node, "web", overHTTP)
			registered(node, "rpc", overGRPC)

			caller := func(service string) func(marks ...string) [2]string {
				m, _ := asConsul(t, node, service)
				town := &town{t: t}
				client, cc := town.client(m), town.conn(m, "enmesh:///rpc")
				return func(marks ...string) (said [2]string) {
					_, err := get(t.Context(), client, "http://web/", marks...)
					said[0] = "OK"
					if err != nil {
						said[0] = err.Error()
					}
					_, err = check(t.Context(), cc, marks...)
					said[1] = status.Code(err).String()
					return said
				}
			}
			a, b := caller("a"), caller("b")
			allowed, denied := [2]string{"OK", codes.OK.String()}, [2]string{"status 403", codes.PermissionDenied.String()}
			for what, tt := range map[string]struct{ got, want [2]string }{
				"a":         {a(), allowed},
				"b":         {b(), denied},
				"a, marked": {a("x-marked", "yes"), denied},
				"b, marked": {b("x-marked", "yes"), denied},
			} {
				if tt.got != tt.want {
					t.Errorf("%s got %s, want %s", what, strings.Join(tt.got[:], ", "), strings.Join(tt.want[:], ", "))
				}
			}
			for _, service := range []string{"web", "rpc"} {
				intentionsFor(node, service, "b")
			}
			until(t, "the change of the intentions", func() bool { return a() == denied && b() == allowed })
			if got := b("x-marked", "yes"); got != denied {
				t.Errorf("b, marked, got %v once the intentions allow it", got)
			}
		})
	}
}
