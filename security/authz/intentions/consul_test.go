// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/security/authz/intentions"
)

// sources are who calls, and who intentions are for; "other" is in none of them.
var sources = []string{"a", "b", "c", "other"}

// randomSources are intentions of layer 4 from some of a, b, c and "*".
func randomSources(r *rand.Rand) []map[string]any {
	list := []map[string]any{}
	for _, name := range []string{"a", "b", "c", "*"} {
		if r.IntN(2) == 0 {
			list = append(list, map[string]any{"Name": name, "Action": []string{"allow", "deny"}[r.IntN(2)]})
		}
	}
	return list
}

// write puts a service-intentions entry, or takes it away when nothing is in it.
func write(n *consultest.Node, destination string, list []map[string]any) {
	if len(list) == 0 {
		n.OK(http.MethodDelete, "/v1/config/service-intentions/"+destination, nil, nil)
		return
	}
	n.OK(http.MethodPut, "/v1/config", map[string]any{"Kind": "service-intentions", "Name": destination, "Sources": list}, nil)
}

// authorized is what Consul itself says of a caller of web.
func authorized(n *consultest.Node, identity string) (allowed bool, reason string) {
	var got struct {
		Authorized bool
		Reason     string
	}
	n.OK(http.MethodPost, "/v1/agent/connect/authorize", map[string]string{
		"Target": "web", "ClientCertURI": identity, "ClientCertSerial": "01",
	}, &got)
	return got.Authorized, got.Reason
}

// Random intentions, changed again and again: for every caller the authorizer decides as
// Consul's own authorization does, within a moment of the change, whether Consul allows or
// denies by default.
func TestAuthorizer_decidesAsConsulDoes(t *testing.T) {
	for name, acl := range map[string]bool{"allow by default": false, "deny by default": true} {
		t.Run(name, func(t *testing.T) {
			n := consultest.Dev(t, consultest.Config{ACL: acl})
			a := open(t, intentions.Config{}, n.Addr, n.Token)
			if got := a.Set().AllowByDefault(); got == acl {
				t.Fatalf("by default: got %t, want %t", got, !acl)
			}
			r := rand.New(rand.NewPCG(6, 28))
			compared, worst := 0, time.Duration(0)
			for round := range 30 {
				web, all := randomSources(r), randomSources(r)
				write(n, "web", web)
				write(n, "*", all)
				written := time.Now()
				await(t, fmt.Sprintf("round %d to be in force: web %v, * %v", round, web, all), func() bool {
					return a.Set().Len() == len(web)+len(all) && agree(n, a)
				})
				worst = max(worst, time.Since(written))
				compared += len(sources)
			}
			t.Logf("%d decisions compared, in force within %v", compared, worst.Round(time.Millisecond))
		})
	}
}

// agree compares the decisions over all sources.
func agree(n *consultest.Node, a *intentions.Authorizer) bool {
	return !slices.ContainsFunc(sources, func(s string) bool {
		identity := "spiffe://" + a.Set().TrustDomain() + "/ns/default/dc/dc1/svc/" + s
		want, _ := authorized(n, identity)
		return a.Explain(call(identity)).Allowed != want
	})
}

// Layer 7, as Consul stores it, and an agent that goes and comes back with all of it gone.
func TestAuthorizer_permissionsOfConsul(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	n.OK(http.MethodPut, "/v1/config", map[string]string{"Kind": "service-defaults", "Name": "web", "Protocol": "http"}, nil)
	a := open(t, intentions.Config{Default: intentions.Deny}, n.Addr, "")
	n.OK(http.MethodPut, "/v1/config", map[string]any{"Kind": "service-intentions", "Name": "web", "Sources": []map[string]any{{
		"Name": "a", "Permissions": []map[string]any{
			{"Action": "deny", "HTTP": map[string]any{"PathPrefix": "/admin"}},
			{"Action": "allow", "HTTP": map[string]any{
				"PathRegex": "/.*", "Methods": []string{"GET"}, "Header": []map[string]any{{"Name": "x-team", "Exact": "shop"}},
			}},
		},
	}}}, nil)
	identity := "spiffe://" + a.Set().TrustDomain() + "/ns/default/dc/dc1/svc/a"
	ask := func(method, path, team string) bool {
		c := call(identity)
		c.Method, c.Path = method, path
		if team != "" {
			c.Header.Set("X-Team", team)
		}
		return a.Explain(c).Allowed
	}
	await(t, "the permissions", func() bool { return ask("GET", "/x", "shop") })
	for _, tt := range []struct{ method, path, team string }{{"GET", "/admin", "shop"}, {"POST", "/x", "shop"}, {"GET", "/x", ""}} {
		if ask(tt.method, tt.path, tt.team) {
			t.Errorf("%v was allowed", tt)
		}
	}
	n.Kill()
	await(t, "the failure", func() bool { return a.Err() != nil })
	if !ask("GET", "/x", "shop") || ask("GET", "/admin", "shop") {
		t.Error("the permissions changed while there was nobody to change them")
	}
	n.Restart() // as another cluster, with nothing in it
	await(t, "the new cluster", func() bool { return a.Err() == nil && a.Set().Len() == 0 })
	if a.Explain(call(identity)).Allowed {
		t.Error("a service of the old cluster was allowed")
	}
}

// A token that may not read the intentions sees none of them: that is an error, and not
// the default.
func TestAuthorizer_token(t *testing.T) {
	n := consultest.ACL(t)
	write(n, "web", []map[string]any{{"Name": "a", "Action": "allow"}})
	token := n.NewToken(`service "web" { policy = "read" intentions = "read" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
	a := open(t, intentions.Config{Wait: time.Second}, n.Addr, token)
	identity := "spiffe://" + a.Set().TrustDomain() + "/ns/default/dc/dc1/svc/a"
	if d := a.Explain(call(identity)); !d.Allowed {
		t.Fatalf("with the right token: got %+v, want it allowed", d)
	}
	n.RevokeToken(token)
	await(t, "the failure", func() bool { return a.Err() != nil })
	if d := a.Explain(call(identity)); !d.Allowed {
		t.Errorf("after the token was revoked: got %+v, want the last intentions", d)
	}
}
