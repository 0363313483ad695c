// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca/connect"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// open makes the source of a service, asking at an address.
func open(t testing.TB, address, token, service string) *connect.Source {
	t.Helper()
	s, err := try(address, token, service, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func try(address, token, service string, within time.Duration) (*connect.Source, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return connect.New(ctx, connect.Config{Service: service, API: &api.Config{Address: address, Token: token}})
}

// await polls check under a deadline.
func await(t testing.TB, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
		<-tick.C
	}
}

// leaf is the certificate in force, as DER.
func leaf(t testing.TB, s security.Source) string {
	t.Helper()
	own, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return string(own.Certificate().Certificate[0])
}

// serve answers with the caller's ID.
func serve(t testing.TB, source security.Source) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := security.PeerID(r.TLS)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, id.String())
	}))
	server.TLS = mtls.Server(source)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func transport(t testing.TB, source security.Source, want security.Matcher, keepAlive bool) *http.Transport {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: mtls.Client(source, want), DisableKeepAlives: !keepAlive}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// get makes one call.
func get(ctx context.Context, tr http.RoundTripper, url string) (body string, cs *tls.ConnectionState, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", nil, err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(text), resp.TLS, err
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
