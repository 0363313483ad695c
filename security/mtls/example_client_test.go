// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// A client that talks to reviews, and to nobody else that answers at the address.
func ExampleClient() {
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
	expected := mtls.Client(web, security.MustParseID("spiffe://cluster.local/ns/default/sa/reviews"))
	for _, account := range []string{"reviews", "ratings"} {
		source, err := authority.Source("default", account)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = handshake(expected, mtls.Server(source))
		fmt.Println(account, err == nil, errors.Is(err, mtls.ErrUnexpectedPeer))
	}
	// Output:
	// reviews true false
	// ratings false true
}

// A server that one service alone may talk to.
func ExampleAllow() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ratings, err := authority.Source("default", "ratings")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := mtls.Server(ratings, mtls.Allow(security.MustParseID("spiffe://cluster.local/ns/default/sa/reviews")))
	for _, account := range []string{"reviews", "web"} {
		source, err := authority.Source("default", account)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(account, handshake(mtls.Client(source, ratings.ID()), server) == nil)
	}
	// Output:
	// reviews true
	// web false
}

// handshake is what the client hears of a handshake, the server's refusal included.
func handshake(client, server *tls.Config) error {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Server(far, server)
		if conn.Handshake() == nil {
			_, _ = conn.Write([]byte("."))
		}
		_ = conn.Close()
	}()
	conn := tls.Client(near, client)
	_, err := conn.Read(make([]byte, 1)) // in TLS 1.3 a client hears a refusal when it reads
	_ = near.Close()
	<-done
	return err
}
