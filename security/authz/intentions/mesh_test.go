// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/authz/intentions"
	"github.com/enmesh-go/enmesh/security/ca/connect"
	"github.com/enmesh-go/enmesh/security/mtls"
)

func identityOf(t *testing.T, n *consultest.Node, service string) *connect.Source {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := connect.New(ctx, connect.Config{Service: service, API: &api.Config{Address: n.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// All of Consul's service mesh without a proxy: identities of its authority on both ends, a
// server that intentions guard, and a change of these that is in force on connections that
// are open.
func TestAuthorizer_overMutualTLS(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	write(n, "web", []map[string]any{{"Name": "a", "Action": "allow"}, {"Name": "*", "Action": "deny"}})
	guard := open(t, intentions.Config{}, n.Addr, "")
	own := identityOf(t, n, "web")
	server := httptest.NewUnstartedServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}), enmesh.Fixed(false, enmesh.Guard(guard))))
	server.TLS = mtls.Server(own)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	caller := func(service string) func() int {
		src := identityOf(t, n, service)
		web, err := src.Peer("web")
		if err != nil {
			t.Fatal(err)
		}
		return client(t, mtls.Client(src, web), server.URL)
	}
	a, b := caller("a"), caller("b")
	if got := [2]int{a(), b()}; got != [2]int{200, 403} {
		t.Fatalf("a and b got %v, want 200 and 403", got)
	}
	write(n, "web", []map[string]any{{"Name": "b", "Action": "allow"}, {"Name": "*", "Action": "deny"}})
	await(t, "the change", func() bool { return a() == 403 && b() == 200 })
	if got := client(t, &tls.Config{InsecureSkipVerify: true}, server.URL)(); got != 0 {
		t.Errorf("without a certificate: got %d, want no connection", got)
	}
}

// client makes calls over a connection that stays, and returns the status; 0: there was
// none.
func client(t *testing.T, config *tls.Config, url string) func() int {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: config}
	t.Cleanup(tr.CloseIdleConnections)
	return func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
}
