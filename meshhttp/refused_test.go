// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

func TestScenarioA12_methods(t *testing.T) {
	v, addr := watch(t)
	for method, want := range map[string]int{
		"GET": 200, "HEAD": 200, "POST": 200, "PUT": 200, "PATCH": 200, "DELETE": 200, "OPTIONS": 200, "TRACE": 200, "QUERY": 200,
		"get": 405, "GeT": 405, "FOO": 405, "PROPFIND": 405, "CONNECT": 400, "connect": 405, "GET\x00": 400, "": 400,
	} {
		v.reset()
		status, header, _ := raw(t, addr, method+" /admin/secret HTTP/1.1\r\nHost: shop\r\nX-HTTP-Method-Override: PUT\r\nX-Method-Override: PUT\r\nConnection: close\r\n\r\n")
		if status != want || (want == 200) != (v.runs == 1 && v.policies == 1) {
			t.Errorf("%q: status %d, the policy ran %d times, the handler %d; want %d", method, status, v.policies, v.runs, want)
		}
		if want == 405 && !strings.HasPrefix(header.Get("Allow"), "GET, HEAD, ") {
			t.Errorf("%q: Allow is %q", method, header.Get("Allow"))
		}
		if want == 200 && (v.request.Method != method || v.request.Header.Get("X-HTTP-Method-Override") != "") {
			t.Errorf("%q: the handler sees %s with %v", method, v.request.Method, v.request.Header)
		}
	}
}

func TestScenarioA12_targetsThatAreNoPath(t *testing.T) {
	v, addr := watch(t)
	for _, tt := range []struct {
		line string
		want int
	}{
		{"OPTIONS *", 200}, {"GET *", 400}, {"CONNECT shop:443", 400}, {"CONNECT /public/../admin/secret", 400}, {"CONNECT *", 400},
		{"OPTIONS **", 400}, {"options *", 405},
	} {
		status, header, body := raw(t, addr, tt.line+" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
		if status != tt.want || v.policies+v.runs != 0 {
			t.Errorf("%q: status %d, the policy ran %d times, the handler %d; want %d and none", tt.line, status, v.policies, v.runs, tt.want)
		}
		if status == 200 && (body != "" || header.Get("Allow") == "") {
			t.Errorf("%q: %q, %v", tt.line, body, header)
		}
	}
	for _, lines := range [][][2]string{
		{{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "*"}, {":authority", "shop"}},
		{{":method", "GET"}, {":scheme", "http"}, {":path", "*"}, {":authority", "shop"}},
		{{":method", "CONNECT"}, {":authority", "shop:443"}},
		{{":method", "get"}, {":scheme", "http"}, {":path", "/"}, {":authority", "shop"}},
	} {
		want := map[string]int{"OPTIONS": 200, "GET": 400, "CONNECT": 400, "get": 405}[lines[0][1]]
		if status := raw2(t, addr, lines); status != want || v.policies+v.runs != 0 {
			t.Errorf("HTTP/2 %v: status %d, the policy ran %d times, the handler %d; want %d", lines, status, v.policies, v.runs, want)
		}
	}
}

func TestHandler_allowMethods(t *testing.T) {
	v, addr := watch(t, meshhttp.AllowMethods("GET", "PROPFIND", "CONNECT"))
	for line, want := range map[string]int{
		"GET /": 200, "PROPFIND /": 200, "POST /": 405, "HEAD /": 405, "propfind /": 405, "CONNECT shop:443": 200, "CONNECT /a//b": 200, "CONNECT /a%2fb": 400, "OPTIONS *": 405,
	} {
		v.reset()
		status, header, _ := raw(t, addr, line+" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
		if status != want {
			t.Errorf("%q: status %d, want %d", line, status, want)
		}
		if want == 405 && header.Get("Allow") != "GET, PROPFIND, CONNECT" {
			t.Errorf("%q: Allow is %q", line, header.Get("Allow"))
		}
		if line == "CONNECT /a//b" && (v.path != "/a/b" || v.request.URL.Path != "/a/b") {
			t.Errorf("%q: the policy sees %q, the handler %q", line, v.path, v.request.URL.Path)
		}
	}
}

func TestScenarioA13_hosts(t *testing.T) {
	v, addr := watch(t)
	for _, tt := range []struct{ target, host, want, service string }{ // want "": refused
		{"/", "a.com", "a.com", "a.com"},
		{"/", "A.COM", "a.com", "a.com"},
		{"/", "a.com.", "a.com", "a.com"},
		{"/", "A.com.:80", "a.com:80", "a.com"},
		{"/", "a.com:", "a.com", "a.com"},
		{"/", "a.com:0080", "a.com:80", "a.com"},
		{"/", "[::1]:80", "[::1]:80", "::1"},
		{"http://a.com/", "b.com", "a.com", "a.com"},
		{"HTTP://A.com:80/x", "b.com", "a.com:80", "a.com"},
		{"http://user@a.com/", "a.com", "", ""},
		{"http://user:pass@a.com/", "a.com", "", ""},
		{"http://a.com@b.com/", "a.com", "", ""},
		{"http://a.com:x/", "a.com", "", ""},
		{"/", "user@a.com", "", ""},
		{"/", "a.com:80@b.com", "", ""},
		{"/", "a.com:x", "", ""},
		{"/", "a.com,b.com", "", ""},
		{"/", "a..com", "", ""},
		{"/", "a%2ecom", "", ""},
		{"/", "a.com\r\nHost: b.com", "", ""},
		{"/", "a.com\r\nhost: a.com", "", ""},
		{"/", "[fe80::1%25eth0]", "", ""},
		{"/", "a.com/b", "", ""},
		{"/", "a com", "", ""},
		{"/", "\u212a.com", "", ""},
	} {
		v.reset()
		status, _, _ := raw(t, addr, "GET "+tt.target+" HTTP/1.1\r\nHost: "+tt.host+"\r\nConnection: close\r\n\r\n")
		if tt.want == "" {
			if status != 400 || v.policies+v.runs != 0 {
				t.Errorf("%q, Host %q: status %d", tt.target, tt.host, status)
			}
			continue
		}
		if status != 200 || v.authority != tt.want || v.request.Host != tt.want || v.service.Service != tt.service || v.request.URL.Host != "" {
			t.Errorf("%q, Host %q: status %d, the policy sees %q (%q), the handler %q, URL %v; want %q", tt.target, tt.host, status, v.authority, v.service.Service, v.request.Host, v.request.URL, tt.want)
		}
	}
	for _, tt := range []struct{ authority, host, want string }{
		{"a.com", "b.com", "a.com"}, {"A.com.", "", "a.com"}, {"", "b.com", "b.com"}, {"user@a.com", "", ""}, {"a.com,b.com", "a.com", ""},
	} {
		v.reset()
		lines := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}
		if tt.authority != "" {
			lines = append(lines, [2]string{":authority", tt.authority})
		}
		if tt.host != "" {
			lines = append(lines, [2]string{"host", tt.host})
		}
		status := raw2(t, addr, lines)
		if (status == 200) != (tt.want != "") || status == 200 && (v.authority != tt.want || v.request.Host != tt.want || v.request.Header["Host"] != nil) {
			t.Errorf("HTTP/2, %q and host %q: status %d, the policy sees %q; want %q", tt.authority, tt.host, status, v.authority, tt.want)
		}
	}
}

// serveTLS is a server for example.com that knows callers by identity.
func serveTLS(t *testing.T, identity string, opts ...meshhttp.ServerOption) (addr string, roots *x509.CertPool) {
	t.Helper()
	opts = append(opts, meshhttp.PeerIdentity(func(*tls.ConnectionState) string { return identity }))
	srv := httptest.NewUnstartedServer(meshhttp.NewHandler(status(200, ""), enmesh.Fixed(false), opts...))
	srv.Config.ErrorLog = quiet
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots = x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return srv.Listener.Addr().String(), roots
}

func TestScenarioA13_serverName(t *testing.T) {
	const mesh = "spiffe://cluster.local/ns/default/sa/front"
	for _, tt := range []struct {
		check         meshhttp.ServerNameCheck
		identity      string
		sent, asksFor string
		want          int
	}{
		{meshhttp.CheckOutside, "", "example.com", "example.com", 200},
		{meshhttp.CheckOutside, "", "example.com", "Example.com.:443", 200},
		{meshhttp.CheckOutside, "", "example.com", "admin.example.com", 421},
		{meshhttp.CheckOutside, "", "example.com", "example.com.evil", 421},
		{meshhttp.CheckOutside, "", "", "admin.example.com", 200},
		{meshhttp.CheckOutside, mesh, "example.com", "reviews", 200},
		{meshhttp.CheckAll, mesh, "example.com", "reviews", 421},
		{meshhttp.CheckAll, mesh, "example.com", "example.com", 200},
		{meshhttp.CheckNone, "", "example.com", "admin.example.com", 200},
	} {
		addr, roots := serveTLS(t, tt.identity, meshhttp.WithServerNameCheck(tt.check))
		for _, h2 := range []bool{false, true} {
			cfg := &tls.Config{RootCAs: roots, ServerName: tt.sent, MinVersion: tls.VersionTLS13}
			if tt.sent == "" {
				cfg.ServerName = "127.0.0.1" // an address is not sent
			}
			tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: h2, DisableKeepAlives: true}
			req := must(http.NewRequest("GET", "https://"+addr+"/", http.NoBody))
			req.Host = tt.asksFor
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			tr.CloseIdleConnections()
			if resp.StatusCode != tt.want {
				t.Errorf("check %d, %q: SNI %q, Host %q over %s: status %d, want %d", tt.check, tt.identity, tt.sent, tt.asksFor, resp.Proto, resp.StatusCode, tt.want)
			}
		}
	}
}

func TestStripPrefix(t *testing.T) {
	for _, tt := range []struct{ target, want string }{
		{"/api/admin/secret?x", "/admin/secret?x"},
		{"/api", "/"},
		{"/api/", "/"},
		{"/api//a/../b", "/b"},
		{"/api/it's", "/it's"},
		{"/api/a;b", "/a;b"},
		{"/api/%2561", "400"},
		{"/api./admin/secret", "404"},
		{"/api%2e/admin/secret", "404"},
		{"/apiadmin", "404"},
		{"/api%2fadmin", "400"},
		{"/api/..%2fadmin", "400"},
		{"/API/admin", "404"},
		{"/x/api/a", "404"},
		{"/api/../api/../admin", "404"},
	} {
		v := &views{}
		h := meshhttp.StripPrefix("/api/", v)
		req := httptest.NewRequest("GET", tt.target, http.NoBody)
		before := *req.URL
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		got := fmt.Sprint(w.Code)
		if v.request != nil {
			got = v.request.URL.String()
			if v.request.RequestURI != got {
				t.Errorf("%q: RequestURI %q, URL %q", tt.target, v.request.RequestURI, got)
			}
		}
		if got != tt.want || *req.URL != before {
			t.Errorf("%q: got %s, want %s", tt.target, got, tt.want)
		}
	}
	if meshhttp.StripPrefix("/", http.NotFoundHandler()) == nil {
		t.Error("nothing to strip leaves nothing")
	}
}

func ExampleStripPrefix() {
	secret := http.NewServeMux()
	secret.HandleFunc("/admin/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	h := meshhttp.StripPrefix("/api", secret)
	for _, target := range []string{"/api/admin/keys", "/api%2e/admin/keys"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", target, http.NoBody))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 /admin/keys
	// 404 404 page not found
}
