// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// One port that takes mutual TLS, and plaintext while clients are being moved.
func ExampleNewListener() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	reviews, err := authority.Source("default", "reviews")
	if err != nil {
		fmt.Println(err)
		return
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := mtls.NewListener(port, mtls.ListenerConfig{
		Source: reviews,
		Mode:   func(uint16) mtls.Mode { return mtls.Permissive },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, err := security.PeerID(r.TLS); err == nil {
			_, _ = fmt.Fprintf(w, "%s to %s", r.Proto, peer.ServiceAccount())
			return
		}
		_, _ = fmt.Fprintf(w, "%s to nobody known", r.Proto)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	defer func() { _ = server.Close(); <-done }()

	web, err := authority.Source("default", "web")
	if err != nil {
		fmt.Println(err)
		return
	}
	transport := &http.Transport{
		TLSClientConfig:   mtls.Client(web, security.MustParseID("spiffe://cluster.local/ns/default/sa/reviews")),
		ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	for _, scheme := range []string{"https://", "http://"} {
		resp, err := (&http.Client{Transport: transport}).Get(scheme + listener.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Println(string(body), err)
	}
	stats := listener.Stats()
	fmt.Println(stats.Secured, "secured,", stats.Plaintext, "in plaintext")
	// Output:
	// HTTP/2.0 to web <nil>
	// HTTP/1.1 to nobody known <nil>
	// 1 secured, 1 in plaintext
}

// TLS to a host outside of the mesh, whose certificate must be for another name than the one
// that is dialled.
func ExampleNewOriginator() {
	originator, err := mtls.NewOriginator(mtls.Origination{
		SNI: "api.example.com", SubjectAltNames: []string{"api.example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = originator.Close() }()
	cfg := originator.Config("gateway.internal")
	fmt.Println(cfg.ServerName, originator.Err())
	// Output: api.example.com <nil>
}

// Revocation lists are required to be there: nothing starts without the check it was asked
// for.
func ExampleNewCRL() {
	_, err := mtls.NewCRL(mtls.CRLConfig{Files: []string{"no-such-list.pem"}})
	fmt.Println(err)
	// Output: mtls: open no-such-list.pem: no such file or directory
}
