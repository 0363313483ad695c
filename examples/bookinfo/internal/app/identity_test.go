// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
	"github.com/enmesh-go/enmesh/security"
)

// address is where the only instance of a service listens.
func (r *running) address(d enmesh.Destination, p enmesh.Protocol) string {
	r.t.Helper()
	cluster := r.node("ingress-v1-0").Mesh().Cluster(d, p)
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	if err := cluster.Wait(ctx); err != nil {
		r.t.Fatal(err)
	}
	return cluster.Set().Endpoints[0].Addr()
}

func TestNodes_haveIdentitiesAndAskForOne(t *testing.T) {
	r := start(t, "", app.Config{})
	for _, test := range []struct {
		dest     enmesh.Destination
		protocol enmesh.Protocol
		want     string
	}{
		{enmesh.Destination{Service: "productpage", Port: 9080}, enmesh.HTTP, "productpage-v1"},
		{enmesh.Destination{Service: "details", Port: 9080}, enmesh.HTTP, "details-v1"},
		{enmesh.Destination{Service: "reviews", Port: 9080, Subset: "v1"}, enmesh.HTTP, "reviews-v1"},
		{enmesh.Destination{Service: "reviews", Port: 9080, Subset: "v2"}, enmesh.HTTP, "reviews-v2"},
		{enmesh.Destination{Service: "reviews", Port: 9080, Subset: "v3"}, enmesh.HTTP, "reviews-v3"},
		{enmesh.Destination{Service: "ratings", Port: 9080}, enmesh.HTTP, "ratings-v1"},
		{enmesh.Destination{Service: "ratings", Port: 9081}, enmesh.GRPC, "ratings-v1"},
	} {
		addr := r.address(test.dest, test.protocol)
		got, err := stranger(t, addr)
		if want := "spiffe://cluster.local/ns/default/sa/bookinfo-" + test.want; got != want {
			t.Errorf("%v at %s is %q, want %q", test.dest, addr, got, want)
		}
		if err == nil {
			t.Errorf("%v at %s talks to a client without a certificate", test.dest, addr)
		}
		if plain(t, addr) {
			t.Errorf("%v at %s serves plain HTTP", test.dest, addr)
		}
	}
}

// stranger dials without a certificate; it returns who the server says it is, and why
// it would not talk.
func stranger(t *testing.T, addr string) (identity string, err error) {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, // whoever answers is what the test looks at
		NextProtos:         []string{"h2", "http/1.1"},
		VerifyConnection: func(cs tls.ConnectionState) error {
			id, err := security.CertificateID(cs.PeerCertificates[0])
			identity = id.String()
			return err
		},
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return identity, err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return identity, err
	}
	_, err = conn.Read(make([]byte, 1)) // with TLS 1.3 the refusal comes after the handshake
	return identity, err
}

// plain reports whether plain HTTP is answered with a success.
func plain(t *testing.T, addr string) bool {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext,
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode < 400
}
