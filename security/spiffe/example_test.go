// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/spiffe"
)

// constant is a Workload API with one identity, that never changes.
type constant struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	answer *workload.X509SVIDResponse
}

func (c constant) FetchX509SVID(_ *workload.X509SVIDRequest, s workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	if err := s.Send(c.answer); err != nil {
		return err
	}
	<-s.Context().Done()
	return s.Context().Err()
}

// serveAPI serves it on a socket, with an authority for development behind it.
func serveAPI() (address string, stop func(), err error) {
	authority, err := ca.NewDevelopment("example.org", ca.Config{})
	if err != nil {
		return "", nil, err
	}
	own, err := authority.Issue(security.MustParseID("spiffe://example.org/reviews"))
	if err != nil {
		return "", nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Certificate().PrivateKey)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "wl")
	if err != nil {
		return "", nil, err
	}
	socket := filepath.Join(dir, "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return "", nil, err
	}
	server := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(server, constant{answer: answer(&workload.X509SVID{
		SpiffeId: own.ID().String(), X509Svid: own.Certificate().Leaf.Raw, X509SvidKey: key, Bundle: bundle(authority),
	})})
	go func() { _ = server.Serve(l) }()
	return "unix://" + socket, func() { server.Stop(); _ = os.RemoveAll(dir) }, nil
}

func ExampleNew() {
	address, stop, err := serveAPI() // in production SPIRE's agent does
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	source, err := spiffe.New(context.Background(), spiffe.Config{Address: address})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer source.Close()
	own, err := source.Identity()
	fmt.Println(own.ID(), err)
	// Output: spiffe://example.org/reviews <nil>
}
