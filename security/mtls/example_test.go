// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// A server and a client that each prove who they are.
func ExampleServer() {
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{
		TLSConfig: mtls.Server(reviews),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer, err := security.PeerID(r.TLS)
			if err != nil {
				http.Error(w, "who are you?", http.StatusForbidden)
				return
			}
			_, _ = fmt.Fprintf(w, "%s to %s", r.Proto, peer.ServiceAccount())
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	defer func() {
		_ = server.Close()
		<-done
	}()

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
	resp, err := (&http.Client{Transport: transport}).Get("https://" + listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(string(body), err)
	// Output: HTTP/2.0 to web <nil>
}

// One configuration per expected server, for callers that ask often.
func ExampleNewClients() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	web, err := authority.Source("default", "web")
	if err != nil {
		fmt.Println(err)
		return
	}
	clients := mtls.NewClients(web)
	reviews := security.MustParseID("spiffe://cluster.local/ns/default/sa/reviews")
	ratings := security.MustParseID("spiffe://cluster.local/ns/default/sa/ratings")
	one, again := clients.For(reviews), clients.For(reviews)
	fmt.Println(one == again)
	fmt.Println(one == clients.For(ratings))
	// Output:
	// true
	// false
}

// An identity from files that something else renews.
func ExampleNewFiles() {
	dir, err := os.MkdirTemp("", "identity")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := authority.WriteFiles(dir, security.MustParseID("spiffe://cluster.local/ns/default/sa/web")); err != nil {
		fmt.Println(err)
		return
	}
	files, err := mtls.NewFiles(mtls.FilesConfig{
		Cert: filepath.Join(dir, ca.CertFile),
		Key:  filepath.Join(dir, ca.KeyFile),
		CA:   filepath.Join(dir, ca.CAFile),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = files.Close() }()
	identity, err := files.Identity()
	fmt.Println(identity.ID(), err)
	// Output: spiffe://cluster.local/ns/default/sa/web <nil>
}
