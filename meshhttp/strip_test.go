// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// claims are headers in which a caller says who he is, or what his request was.
var claims = []string{
	"X-Forwarded-Client-Cert", "X-Envoy-Original-Path", "X-Envoy-Internal", "X-Envoy-External-Address", "X-Envoy-Peer-Metadata",
	"X-Envoy-Downstream-Service-Cluster", "L5d-Client-Id", "L5d-Dst-Override", "X-Jwt-Payload", "X-Original-Url", "X-Rewrite-Url",
	"X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Http-Method-Override", "X-Method-Override", "Client-Cert", "X-Istio-Attributes",
	"X_forwarded_client_cert", "X_role", "X-Role", "X_jwt-Payload",
}

// harmless are headers that stay.
var harmless = []string{"X-Request-Id", "Traceparent", "X-Envoy-Attempt-Count", "X-Envoy-Fault-Delay-Request", "X-Forwarded-For", "Authorization"}

var watched = slices.Concat(claims, harmless, []string{"Host"})

func claimed() (lines []string) {
	for _, key := range slices.Concat(claims, harmless) {
		lines = append(lines, key+": 1", strings.ToUpper(key)+": 2")
	}
	return lines
}

func TestScenarioA5_claimsAreTakenOff(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		v, addr := watch(t, meshhttp.WithStrippedHeaders("x-role"))
		if status := sendClaims(t, addr, h2); status != 200 {
			t.Fatalf("HTTP/2 %v: status %d", h2, status)
		}
		for _, key := range append(claims, "Host") {
			if v.header[key] != nil || v.request.Header[key] != nil {
				t.Errorf("HTTP/2 %v: %s: the policy sees %q, the handler %q", h2, key, v.header[key], v.request.Header[key])
			}
		}
		for _, key := range harmless {
			if len(v.header[key]) != 2 || !slices.Equal(v.header[key], v.request.Header[key]) {
				t.Errorf("HTTP/2 %v: %s: the policy sees %q, the handler %q", h2, key, v.header[key], v.request.Header[key])
			}
		}
	}
}

// sendClaims sends every claim twice.
func sendClaims(t *testing.T, addr string, h2 bool) int {
	t.Helper()
	if !h2 {
		status, _, _ := raw(t, addr, ask("/", claimed()...))
		return status
	}
	lines := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "shop"}, {"host", "admin"}}
	for _, line := range claimed() {
		key, value, _ := strings.Cut(line, ": ")
		lines = append(lines, [2]string{strings.ToLower(key), value})
	}
	return raw2(t, addr, lines)
}

func TestScenarioA5_headersOfTrustedPeersAreKept(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		v, addr := watch(t, meshhttp.TrustHeadersOf(func(p *enmesh.Peer) bool { return trusted && p.Addr.Addr().IsLoopback() }))
		if status, _, _ := raw(t, addr, ask("/", "X-Forwarded-Client-Cert: By=me")); status != 200 {
			t.Fatal(status)
		}
		if got := v.header["X-Forwarded-Client-Cert"] != nil && v.request.Header["X-Forwarded-Client-Cert"] != nil; got != trusted {
			t.Errorf("trusted %v: kept %v", trusted, got)
		}
	}
}

func TestHandler_underscores(t *testing.T) {
	v, addr := watch(t, meshhttp.KeepUnderscores())
	if status, _, _ := raw(t, addr, ask("/", "user_id: 1", "x_jwt_payload: 1")); status != 200 || v.request.Header["User_id"] == nil || v.request.Header["X_jwt_payload"] != nil {
		t.Errorf("status %d, %v", status, v.request.Header)
	}
}

// What is taken off the header must not come back behind the body.
func TestScenarioA5_claimsInTrailersAreTakenOff(t *testing.T) {
	v, addr := watch(t, meshhttp.WithStrippedHeaders("x-role"))
	for _, announced := range []string{"", "Trailer: X-Kept\r\n", "Trailer: X-Kept, X-Role, X-Forwarded-Client-Cert, X_role\r\n"} {
		v.reset()
		status, _, _ := raw(t, addr, "POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"+announced+
			"\r\n1\r\nx\r\n0\r\nX-Role: admin\r\nX-Forwarded-Client-Cert: By=me\r\nx_role: admin\r\nX-Kept: 1\r\n\r\n")
		if status != 200 {
			t.Fatalf("%q: status %d", announced, status)
		}
		for _, key := range claims {
			if _, has := v.trailer[key]; has {
				t.Errorf("%q: the handler sees %s in the trailer", announced, key)
			}
		}
		if announced != "" && v.trailer.Get("X-Kept") != "1" {
			t.Errorf("%q: the trailer is %v", announced, v.trailer)
		}
	}
}

// The server's own request is not changed, and neither is its header.
func TestHandler_leavesTheServersRequestAlone(t *testing.T) {
	v := &views{}
	h := meshhttp.NewHandler(v, enmesh.Fixed(false, v.check))
	req := httptest.NewRequest("GET", "/a//b", http.NoBody)
	req.Host = "Shop."
	req.Header.Set("X-Forwarded-Client-Cert", "By=me")
	header, u := maps.Clone(req.Header), *req.URL
	h.ServeHTTP(httptest.NewRecorder(), req)
	if !maps.EqualFunc(header, req.Header, slices.Equal) || *req.URL != u || req.RequestURI != "/a//b" || req.Host != "Shop." {
		t.Errorf("the request is changed: %v %v %q %q", req.Header, req.URL, req.RequestURI, req.Host)
	}
	if v.request.Host != "shop" || v.request.URL.Path != "/a/b" || v.request.Header["X-Forwarded-Client-Cert"] != nil {
		t.Errorf("the handler sees %v", v.request)
	}
}

// Every value reaches the policy and the handler, each by itself and in order.
func TestScenarioA4_everyValueIsSeen(t *testing.T) {
	v, addr := watch(t)
	for _, values := range [][]string{
		{"user", "admin"}, {"admin", "user"}, {"user,admin"}, {"user, admin"}, {""}, {"", "admin"}, {strings.Repeat(",", 8<<10)}, {"us\x80er"}, {"%61dmin"}, {"a\tb"},
	} {
		var lines []string
		for _, value := range values {
			lines = append(lines, "x-ReQuest-id: "+value)
		}
		v.reset()
		status, _, _ := raw(t, addr, ask("/", lines...))
		if status != 200 || !slices.Equal(v.header["X-Request-Id"], values) || !slices.Equal(v.request.Header["X-Request-Id"], values) {
			t.Errorf("sent %.40q: status %d, the policy sees %.40q, the handler %.40q", values, status, v.header["X-Request-Id"], v.request.Header["X-Request-Id"])
		}
	}
	for _, line := range []string{"X-Role : admin", "X-Role: a\x00dmin", "X-Role: a\rdmin", "X Role: admin", " X-Role: admin"} {
		v.reset()
		if status, _, _ := raw(t, addr, ask("/", line)); status == 200 && (v.request.Header.Get("X-Role") != "" || v.runs == 0) {
			t.Errorf("%q: status %d, %v", line, status, v.request.Header)
		}
	}
}

func TestHandler_strippingCostsNothingWhereThereIsNothing(t *testing.T) {
	h := meshhttp.NewHandler(status(200, ""), enmesh.Fixed(false), meshhttp.WithStrippedHeaders("X-Role"))
	req, w := httptest.NewRequest("GET", "/a/b?c", http.NoBody), &sink{http.Header{}}
	for _, key := range []string{"Accept", "User-Agent", "Content-Type", "Traceparent", "X-Envoy-Attempt-Count", "Connection"} {
		req.Header.Set(key, "x")
	}
	if n := testing.AllocsPerRun(200, func() { h.ServeHTTP(w, req) }); n > 1 && !raceEnabled {
		t.Errorf("got %.0f allocations, want the record alone", n)
	}
}

// raw2 sends one request without a body over HTTP/2, its head as it is, and returns the
// status; 0 when there is none.
func raw2(t testing.TB, addr string, lines [][2]string) int {
	t.Helper()
	conn, fr := dial2(t, addr, lines)
	defer func() { _ = conn.Close() }()
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return 0
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return 0
		case *http2.MetaHeadersFrame:
			return statusIn(f)
		}
	}
}

func statusIn(f *http2.MetaHeadersFrame) (status int) {
	for _, c := range f.PseudoValue("status") {
		status = 10*status + int(c-'0')
	}
	return status
}
