// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// provider writes the certificate of a service account where a file_watcher reads it, and is
// the part of the bootstrap file that says so.
func provider(t testing.TB, authority *ca.Development, account string) string {
	t.Helper()
	issued, err := authority.Issue(security.MustParseID("spiffe://cluster.local/ns/default/sa/" + account))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	key, err := x509.MarshalPKCS8PrivateKey(issued.Certificate().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem":  {Type: "CERTIFICATE", Bytes: issued.Certificate().Certificate[0]},
		"key.pem":   {Type: "PRIVATE KEY", Bytes: key},
		"roots.pem": {Type: "CERTIFICATE", Bytes: authority.Roots()[0].Raw},
	} {
		if err := os.WriteFile(at(name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf(`,"certificate_providers":{"default":{"plugin_name":"file_watcher","config":{
		"certificate_file":%q,"private_key_file":%q,"ca_certificate_file":%q,"refresh_interval":"600s"}}}`,
		at("cert.pem"), at("key.pem"), at("roots.pem"))
}

// xdsServer is an unmodified server of gRPC.
func (p *plane) xdsServer(t testing.TB, name, more string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := xds.NewGRPCServer(xds.BootstrapContentsForTesting(p.bootstrap(more)), grpc.Creds(creds), grpc.UnknownServiceHandler(answer(name)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func (p *plane) xdsClient(t testing.TB, target, more string) *grpc.ClientConn {
	t.Helper()
	creds, err := xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := xds.NewXDSResolverWithConfigForTesting(p.bootstrap(more))
	if err != nil {
		t.Fatal(err)
	}
	cc, err := grpc.NewClient("xds:///"+target, grpc.WithResolvers(b), grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// settled waits until a channel is connected, since servers begin to serve when they have
// their listener.
func settled(t testing.TB, cc *grpc.ClientConn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	for cc.Connect(); cc.GetState() != connectivity.Ready; {
		if !cc.WaitForStateChange(ctx, cc.GetState()) {
			t.Fatalf("the channel is %v", cc.GetState())
		}
	}
}

const reviewsAuthorization = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow}
spec:
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]
    to: [{operation: {paths: ["/a.A/*"]}}]
  - from: [{source: {requestPrincipals: ["*"]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: ["/a.A/Secret"]}}]
  - when: [{key: "request.headers[x-evil]", values: ["yes"]}]
  - from: [{source: {requestPrincipals: ["*"]}}]
    to: [{operation: {paths: ["/a.A/Token"]}}]
`

func TestServer_takesWhomPolicyAllows(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c, registry := open(t, translate.Config{Certificates: "default"}, reviewsAuthorization)
	p := servePlane(t, c)
	addr := p.xdsServer(t, "one", provider(t, authority, "reviews"))
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{addr}, Namespace: "default", ServiceAccount: "reviews"})
	registry.Set("impostor", discovery.Endpoint{Addrs: []string{addr}, Namespace: "default", ServiceAccount: "impostor"})

	web := provider(t, authority, "web")
	cc := p.xdsClient(t, "reviews", web)
	settled(t, cc)
	for _, tc := range []struct {
		method string
		header []string
		want   codes.Code
	}{
		{"/a.A/Get", nil, codes.OK},
		{"/b.B/Get", nil, codes.PermissionDenied},
		{"/a.A/Secret", nil, codes.PermissionDenied},
		{"/a.A/Get", []string{"x-evil", "no, yes"}, codes.PermissionDenied},
		{"/a.A/Get", []string{"x-evil", "no"}, codes.OK},
		{"/a.A/Token", nil, codes.PermissionDenied}, // what it cannot see it denies
	} {
		if _, err := call(t, cc, tc.method, tc.header...); status.Code(err) != tc.want {
			t.Errorf("%s %q: %v, want %v", tc.method, tc.header, err, tc.want)
		}
	}
	other := p.xdsClient(t, "reviews", provider(t, authority, "other"))
	settled(t, other)
	if _, err := call(t, other, "/a.A/Get"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("of another account: %v, want PERMISSION_DENIED", err)
	}
	if _, err := call(t, p.xdsClient(t, "impostor", web), "/a.A/Get"); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "SAN") {
		t.Errorf("a server with the wrong name: %v, want UNAVAILABLE for its SAN", err)
	}
	if n := p.rejected(); len(n) > 0 {
		t.Errorf("rejected: %q", n)
	}
	for _, n := range c.Notes() {
		t.Log(n)
	}
}

// TestServer_saysHowItIsSecured has each mode, said or not, with certificates and without.
func TestServer_saysHowItIsSecured(t *testing.T) {
	peers := func(mode string) string {
		return "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: {mode: " + mode + "}}\n"
	}
	const (
		name      = "grpc/server?xds.resource.listening_address=127.0.0.1:9080"
		unsaid    = "grpc-go: approximated: " + name + ": port 9080: "
		said      = "p.yaml:4: grpc-go: "
		elsewhere = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {selector: {matchLabels: {app: other}}, mtls: {mode: DISABLE}}\n"
		byDefault = unsaid + "without a PeerAuthentication Istio is PERMISSIVE, which gRPC's servers cannot be: this one is STRICT"
		plaintext = unsaid + "workloads have no certificates: everything is plaintext"
	)
	for _, c := range []struct{ name, policy, certificates, want string }{
		{"nothing is said", "", "default", byDefault},
		{"of another workload only", elsewhere, "default", byDefault},
		{"nothing is said, no certificates", "", "", plaintext},
		{"of another workload, no certificates", elsewhere, "", plaintext},
		{"STRICT", peers("STRICT"), "default", ""},
		{"STRICT, no certificates", peers("STRICT"), "", said + "rejected: " + name + ": port 9080: STRICT needs certificates, and workloads have none: every call is denied"},
		{"DISABLE", peers("DISABLE"), "default", ""},
		{"DISABLE, no certificates", peers("DISABLE"), "", ""},
		{"PERMISSIVE", peers("PERMISSIVE"), "default", said + "rejected: " + name + ": port 9080: gRPC's servers cannot be PERMISSIVE: this one is STRICT"},
		{"PERMISSIVE, no certificates", peers("PERMISSIVE"), "", said + "approximated: " + name + ": port 9080: PERMISSIVE: without certificates everything is plaintext"},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog, _ := open(t, translate.Config{Certificates: c.certificates}, c.policy)
			n := &agentxds.Node{Client: "gRPC Go", Labels: map[string]string{"app": "web"}}
			defer watch(catalog, n, agentxds.Listener, name, func(agentxds.Resource) {})()
			got := ""
			for _, n := range catalog.Notes() {
				got += n.String()
			}
			if got != c.want {
				t.Errorf("got the notes\n%q, want\n%q", got, c.want)
			}
			body := string(resource(t, catalog, n, agentxds.Listener, name).GetValue())
			if tls, want := strings.Contains(body, "DownstreamTlsContext"), c.certificates != "" && c.name != "DISABLE"; tls != want {
				t.Errorf("it is served with TLS: %v, want %v", tls, want)
			}
		})
	}
}

// TestServer_hasThePoliciesForItAlone: a workload's listener has the policies that select it, those
// of its namespace and those of all, and none for another workload or namespace.
func TestServer_hasThePoliciesForItAlone(t *testing.T) {
	document := func(kind, name, namespace, spec string) string {
		return "---\napiVersion: security.istio.io/v1\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: " + namespace + "}\nspec: {" + spec + "}\n"
	}
	deny := func(name, namespace, selected string) string {
		if selected != "" {
			selected = "selector: {matchLabels: {app: " + selected + "}}, "
		}
		return document("AuthorizationPolicy", name, namespace, selected+"action: DENY, rules: [{to: [{operation: {paths: [/"+name+"/*]}}]}]")
	}
	all := deny("for-all", "istio-system", "") + deny("for-shop", "shop", "") + deny("for-bank", "bank", "") +
		deny("for-web", "shop", "web") + deny("for-cart", "shop", "cart") + deny("for-web-of-bank", "bank", "web") +
		document("PeerAuthentication", "all", "istio-system", "mtls: {mode: STRICT}") +
		document("PeerAuthentication", "cart", "shop", "selector: {matchLabels: {app: cart}}, mtls: {mode: DISABLE}")
	c, _ := open(t, translate.Config{Certificates: "default"}, all)
	for _, tc := range []struct {
		namespace, app string
		want           string
		tls            bool
	}{
		{"shop", "web", "for-all for-shop for-web", true},
		{"shop", "cart", "for-all for-shop for-cart", false},
		{"shop", "other", "for-all for-shop", true},
		{"bank", "web", "for-all for-bank for-web-of-bank", true},
		{"bank", "cart", "for-all for-bank", true},
		{"street", "web", "for-all", true},
	} {
		n := &agentxds.Node{Client: "gRPC Go", Namespace: tc.namespace, Labels: map[string]string{"app": tc.app}}
		body := string(resource(t, c, n, agentxds.Listener, "grpc/server?xds.resource.listening_address=127.0.0.1:9080").GetValue())
		var got []string
		for _, name := range []string{"for-all", "for-shop", "for-bank", "for-web", "for-cart", "for-web-of-bank"} {
			if strings.Contains(body, "/"+name+"/0") { // namespace/name/rule
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != tc.want || strings.Contains(body, "DownstreamTlsContext") != tc.tls {
			t.Errorf("%s in %s: got the policies %q, TLS %v, want %q, %v", tc.app, tc.namespace, got, !tc.tls, tc.want, tc.tls)
		}
	}
}

func TestServer_withoutRulesThatAllowDeniesAll(t *testing.T) {
	for name, policy := range map[string]string{
		"an empty ALLOW":              "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: nothing}\nspec: {}\n",
		"a token":                     "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: token}\nspec: {rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}\n",
		"CUSTOM":                      "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ask}\nspec: {action: CUSTOM, provider: {name: x}, rules: [{}]}\n",
		"STRICT without certificates": "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: strict}\nspec: {mtls: {mode: STRICT}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := open(t, translate.Config{}, policy)
			p := servePlane(t, c)
			cc, err := grpc.NewClient(p.xdsServer(t, "one", ""), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			settled(t, cc)
			if _, err := call(t, cc, "/a.A/Get"); status.Code(err) != codes.PermissionDenied {
				t.Errorf("%v, want PERMISSION_DENIED", err)
			}
		})
	}
}
