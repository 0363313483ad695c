// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// forPages lets pages of the shop use reviews: its cart, and, with less, whatever else.
const forPages = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews, reviews.example]
  http:
  - name: cart
    match: [{uri: {prefix: /cart}}]
    timeout: 1ms # of calls that are made, not of those that are served
    corsPolicy:
      allowOrigins: [{exact: "https://shop.example"}]
      allowMethods: [GET, PUT]
      allowHeaders: [x-cart]
      exposeHeaders: [x-total]
      maxAge: 1h
      allowCredentials: true
      unmatchedPreflights: IGNORE
    route: [{destination: {host: reviews}}]
  - name: moved
    match: [{uri: {prefix: /moved}}]
    corsPolicy: {allowOrigins: [{exact: "*"}]}
    redirect: {uri: /elsewhere}
  - name: other callers
    match: [{uri: {prefix: /mine}, sourceLabels: {app: reviews}}]
    corsPolicy: {allowOrigins: [{exact: "*"}]}
    route: [{destination: {host: reviews}}]
  - name: rest
    corsPolicy: {allowOrigins: [{regex: "https://[a-z]+\\.example"}]}
    route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: quiet}
spec:
  hosts: [quiet.example]
  http: [{route: [{destination: {host: reviews}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: [/cart/closed, /closed]}}]}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: users}
spec: {jwtRules: [{issuer: login, jwks: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'}]}
`

// browser is what sends requests as pages do, to one server.
type browser struct {
	client *http.Client
	url    string
	major  int // of HTTP
}

// ask sends a request and gives the status, who answered and the CORS headers, "200 handler;
// Allow-Origin: https://shop.example".
func (b *browser) ask(t *testing.T, method, host, path string, header ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != b.major {
		t.Fatalf("over %s, want HTTP/%d", resp.Proto, b.major)
	}
	var marks []string
	for name, values := range resp.Header {
		if rest, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			marks = append(marks, rest+": "+strings.Join(values, "|"))
		}
	}
	slices.Sort(marks)
	who := "policy"
	if resp.Header.Get("X-By") != "" {
		who = "handler"
	}
	return strings.Join(append([]string{http.StatusText(resp.StatusCode) + " by " + who}, marks...), "; ")
}

// pageHandler says of CORS what a policy is to overrule.
func pageHandler(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-By", "handler")
	w.Header().Add("Access-Control-Allow-Origin", "https://own")
	w.Header().Add("Access-Control-Expose-Headers", "x-own")
	if strings.HasSuffix(r.URL.Path, "/fails") {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// openFor opens a mesh of reviews under documents.
func openFor(t *testing.T, documents string, w mesh.Workload, opts ...mesh.Option) *mesh.Mesh {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(documents), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := mesh.Open(t.Context(), append([]mesh.Option{mesh.WithWorkload(w), mesh.WithPolicies(file)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// browse serves h over HTTP/1.1, or over HTTP/2, for a browser.
func browse(t *testing.T, h http.Handler, h2 bool) *browser {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = h2
	srv.StartTLS()
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	major := 1
	if h2 {
		major = 2
	}
	return &browser{client, srv.URL, major}
}

const (
	askFor    = "Access-Control-Request-Method"
	inShop    = "https://shop.example"
	fromShop  = "Allow-Credentials: true; Allow-Origin: https://shop.example; Expose-Headers: x-total"
	preflight = "OK by policy; Allow-Credentials: true; Allow-Headers: x-cart; Allow-Methods: GET,PUT; Allow-Origin: https://shop.example; Max-Age: 3600"
	ownWord   = "OK by handler; Allow-Origin: https://own; Expose-Headers: x-own"
)

// A browser that calls a server by the VirtualService of its service: preflights are answered
// before anybody asks who calls, and every answer, refusals too, is marked for the page.
func TestMesh_servesPages(t *testing.T) {
	m := openFor(t, forPages, mesh.Workload{Service: "reviews", Labels: map[string]string{"app": "reviews"}})
	handler := meshhttp.NewHandler(http.HandlerFunc(pageHandler), m.Inbound(), meshhttp.WithServerNameCheck(meshhttp.CheckNone))
	for _, h2 := range []bool{false, true} {
		b := browse(t, handler, h2)
		for _, tt := range []struct {
			name, method, host, path string
			header                   []string
			want                     string
		}{
			{"a preflight", "OPTIONS", "reviews", "/cart", []string{"Origin", inShop, askFor, "PUT"}, preflight},
			{"a preflight by another name of the service", "OPTIONS", "reviews.example", "/cart", []string{"Origin", inShop, askFor, "PUT"}, preflight},
			{"a preflight by an address", "OPTIONS", "127.0.0.1:80", "/cart", []string{"Origin", inShop, askFor, "PUT"}, preflight},
			{"a preflight to what is denied", "OPTIONS", "reviews", "/cart/closed", []string{"Origin", inShop, askFor, "PUT"}, preflight},
			{"a preflight with a bad token", "OPTIONS", "reviews", "/cart", []string{"Origin", inShop, askFor, "PUT", "Authorization", "Bearer a.b.c"}, preflight},
			{"a preflight of another origin, ignored", "OPTIONS", "reviews", "/cart", []string{"Origin", "https://evil", askFor, "PUT"}, "OK by policy"},
			{"a preflight of another origin", "OPTIONS", "reviews", "/x", []string{"Origin", "https://evil", askFor, "PUT"}, ownWord},
			{"a preflight of another origin to what is denied", "OPTIONS", "reviews", "/closed", []string{"Origin", "https://evil", askFor, "PUT"}, "Forbidden by policy"},
			{"no preflight", "OPTIONS", "reviews", "/cart", []string{"Origin", inShop}, "OK by handler; " + fromShop},

			{"a call", "GET", "reviews", "/cart", []string{"Origin", inShop}, "OK by handler; " + fromShop},
			{"a call that fails", "PUT", "reviews", "/cart/fails", []string{"Origin", inShop}, "Internal Server Error by handler; " + fromShop},
			{"a call that is denied", "GET", "reviews", "/cart/closed", []string{"Origin", inShop}, "Forbidden by policy; " + fromShop},
			{"a call with a bad token", "GET", "reviews", "/cart", []string{"Origin", inShop, "Authorization", "Bearer a.b.c"}, "Unauthorized by policy; " + fromShop},
			{"a call of another origin", "GET", "reviews", "/cart", []string{"Origin", "https://evil"}, ownWord},
			{"a call without an origin", "GET", "reviews", "/cart", nil, ownWord},
			{"a call by the next rule", "GET", "reviews", "/x", []string{"Origin", "https://news.example"},
				"OK by handler; Allow-Origin: https://news.example; Expose-Headers: x-own"},

			{"a rule that answers by itself", "GET", "reviews", "/moved", []string{"Origin", "https://evil"}, ownWord},
			{"a rule for other callers", "GET", "reviews", "/mine", []string{"Origin", "https://evil"}, ownWord},
			{"a host with rules of its own", "GET", "quiet.example", "/cart", []string{"Origin", inShop}, ownWord},
		} {
			if got := b.ask(t, tt.method, tt.host, tt.path, tt.header...); got != tt.want {
				t.Errorf("HTTP/2 %v, %s:\n got %s\nwant %s", h2, tt.name, got, tt.want)
			}
		}
	}
}

// A process that is no instance of the service has its policy for calls by the service's
// name, and for no others.
func TestMesh_servesPagesOfOthers(t *testing.T) {
	for service, want := range map[string]string{"ratings": ownWord, "": ownWord} {
		m := openFor(t, forPages, mesh.Workload{Service: service})
		b := browse(t, meshhttp.NewHandler(http.HandlerFunc(pageHandler), m.Inbound(), meshhttp.WithServerNameCheck(meshhttp.CheckNone)), false)
		if got := b.ask(t, "GET", "127.0.0.1", "/cart", "Origin", inShop); got != want {
			t.Errorf("service %q, by an address: got %s, want %s", service, got, want)
		}
		if got := b.ask(t, "GET", "reviews", "/cart", "Origin", inShop); got != "OK by handler; "+fromShop {
			t.Errorf("service %q, by the name: got %s, want %s", service, got, fromShop)
		}
	}
}

// A reload changes what pages may.
func TestMesh_reloadsWhatPagesMay(t *testing.T) {
	o := newTown(t, forPages)
	m := o.open("reviews", "v1")
	b := browse(t, meshhttp.NewHandler(http.HandlerFunc(pageHandler), m.Inbound(), meshhttp.WithServerNameCheck(meshhttp.CheckNone)), false)
	asked := func() string { return b.ask(t, "OPTIONS", "reviews", "/cart", "Origin", inShop, askFor, "PUT") }
	if got := asked(); got != preflight {
		t.Fatalf("got %s, want %s", got, preflight)
	}
	o.write("policy.yaml", strings.ReplaceAll(forPages, inShop, "https://other.example"))
	until(t, "the shop is another origin", func() bool { return asked() == "OK by policy" })
	o.write("policy.yaml", noRetries)
	until(t, "there is no CORS", func() bool { return asked() == ownWord })
}

// A gateway passes on what browsers send: its own mesh answers preflights, and marks what
// comes back from servers that know nothing of CORS.
func TestMesh_callsForPages(t *testing.T) {
	behind := httptest.NewServer(http.HandlerFunc(pageHandler))
	t.Cleanup(behind.Close)
	registry := discovery.NewMemory()
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{behind.Listener.Addr().String()}})
	documents := strings.Replace(forPages, "    timeout: 1ms # of calls that are made, not of those that are served\n", "", 1)
	m := openFor(t, documents, mesh.Workload{Service: "gateway"}, mesh.WithResolver(registry))
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	t.Cleanup(func() { _ = transport.Close() })
	gateway := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: "reviews"})
	}}
	for _, h2 := range []bool{false, true} {
		b := browse(t, gateway, h2)
		for _, tt := range []struct {
			name, method, path string
			header             []string
			want               string
		}{
			{"a preflight", "OPTIONS", "/cart", []string{"Origin", inShop, askFor, "PUT"}, preflight},
			{"a preflight of another origin, ignored", "OPTIONS", "/cart", []string{"Origin", "https://evil", askFor, "PUT"}, "OK by policy"},
			{"a preflight of another origin", "OPTIONS", "/x", []string{"Origin", "https://evil", askFor, "PUT"}, ownWord},
			{"a call", "GET", "/cart", []string{"Origin", inShop}, "OK by handler; " + fromShop},
			{"a call that fails", "GET", "/cart/fails", []string{"Origin", inShop}, "Internal Server Error by handler; " + fromShop},
			{"a call of another origin", "GET", "/cart", []string{"Origin", "https://evil"}, ownWord},
			{"a call without an origin", "GET", "/cart", nil, ownWord},
			{"a rule that answers by itself", "GET", "/moved", []string{"Origin", "https://evil"}, "Moved Permanently by policy"},
		} {
			if got := b.ask(t, tt.method, "", tt.path, tt.header...); got != tt.want {
				t.Errorf("HTTP/2 %v, %s:\n got %s\nwant %s", h2, tt.name, got, tt.want)
			}
		}
	}
}

// What a gateway answers by itself, where a call came to nothing, is marked if it serves by
// its mesh.
func TestMesh_marksWhatGatewaysAnswerPages(t *testing.T) {
	m := openFor(t, forPages, mesh.Workload{Service: "gateway"}, mesh.WithResolver(discovery.NewMemory()))
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	t.Cleanup(func() { _ = transport.Close() })
	gateway := &httputil.ReverseProxy{
		Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "reviews"}) },
	}
	inside := meshhttp.NewHandler(gateway, m.Inbound(), meshhttp.WithServerNameCheck(meshhttp.CheckNone))
	for want, h := range map[string]http.Handler{"Bad Gateway by policy": gateway, "Bad Gateway by policy; " + fromShop: inside} {
		if got := browse(t, h, false).ask(t, "GET", "reviews.example", "/cart", "Origin", inShop); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Explain tells of pages.
func TestExplain_tellsOfPages(t *testing.T) {
	m := openFor(t, forPages, mesh.Workload{Service: "gateway"})
	x, err := m.Explain(context.Background(), mesh.Query{Host: "reviews", Path: "/x"})
	if want := "pages: those of regex https://[a-z]+\\.example may"; err != nil || !slices.Contains(x.Actions, want) {
		t.Errorf("error %v, actions %q, want among them %q", err, x.Actions, want)
	}
}
