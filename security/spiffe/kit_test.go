// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe_test

import (
	"context"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/spiffe"
)

const domain = "example.org"

// agent serves the Workload API on a socket, and says what the test has it say.
type agent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	t      testing.TB
	socket string
	server *grpc.Server

	mu      sync.Mutex // guards what follows
	answer  *workload.X509SVIDResponse
	err     error
	changed chan struct{} // closed by the next change
}

func newAgent(t testing.TB) *agent {
	t.Helper()
	dir, err := os.MkdirTemp("", "wl") // short, as the path of a socket must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &agent{t: t, socket: filepath.Join(dir, "a.sock"), changed: make(chan struct{})}
	a.start()
	t.Cleanup(a.stop)
	return a
}

// address is where the API is.
func (a *agent) address() string { return "unix://" + a.socket }

// start listens on the socket.
func (a *agent) start() {
	a.t.Helper()
	l, err := net.Listen("unix", a.socket)
	if err != nil {
		a.t.Fatal(err)
	}
	a.server = grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(a.server, a)
	go func() { _ = a.server.Serve(l) }()
}

// stop takes the socket away.
func (a *agent) stop() { a.server.Stop() }

// say sends an answer, or an error, on all streams and on those to come.
func (a *agent) say(answer *workload.X509SVIDResponse, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer, a.err = answer, err
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) state() (*workload.X509SVIDResponse, <-chan struct{}, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer, a.changed, a.err
}

// FetchX509SVID is the API's.
func (a *agent) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	if got := md.Get("workload.spiffe.io"); len(got) != 1 || got[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	for {
		answer, changed, err := a.state()
		if err != nil {
			return err
		}
		if answer != nil {
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// authority signs certificates of a given life.
func authority(t testing.TB, trustDomain string, ttl time.Duration) *ca.Development {
	t.Helper()
	d, err := ca.NewDevelopment(trustDomain, ca.Config{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// svid is an identity as the API writes it, with the roots of its authority.
func svid(t testing.TB, d *ca.Development, path string) *workload.X509SVID {
	t.Helper()
	own, err := d.Issue(security.MustParseID("spiffe://" + d.TrustDomain() + path))
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Certificate().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var cert []byte
	for _, der := range own.Certificate().Certificate {
		cert = append(cert, der...)
	}
	return &workload.X509SVID{SpiffeId: own.ID().String(), X509Svid: cert, X509SvidKey: key, Bundle: bundle(d)}
}

func bundle(d *ca.Development) []byte {
	var out []byte
	for _, c := range d.Roots() {
		out = append(out, c.Raw...)
	}
	return out
}

func answer(svids ...*workload.X509SVID) *workload.X509SVIDResponse {
	return &workload.X509SVIDResponse{Svids: svids}
}

// open makes a source of the agent's first answer.
func open(t testing.TB, a *agent, cfg spiffe.Config) *spiffe.Source {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cfg.Address = a.address()
	cfg.Backoff = spiffe.Backoff{Base: 5 * time.Millisecond, Cap: 20 * time.Millisecond}
	s, err := spiffe.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// await polls check under a deadline.
func await(t testing.TB, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
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
