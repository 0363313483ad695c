// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/internal/longpoll"
	"github.com/enmesh-go/enmesh/security"
)

// Source is a [security.Source] over the agent's API. Two goroutines watch, one the leaf
// certificate and one the roots, until Close.
type Source struct {
	cfg    Config
	client *api.Client
	wire   *http.Client // under client
	latest security.Latest
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex // guards what follows, and lets OnUpdate hear of one thing at a time
	leaf  *leaf
	roots *roots
	good  bool     // leaf and roots are in force
	errs  [2]error // why the leaf, and why the roots, cannot be had
}

// The two things that are followed.
const (
	ofLeaf = iota
	ofRoots
)

// leaf is a certificate with its key, as the agent gave it.
type leaf struct {
	cert tls.Certificate
	pem  string
}

// roots are those of the agent's cluster.
type roots struct {
	trustDomain string
	certs       []*x509.Certificate
	text        string
}

// New asks the agent and waits for the first identity, until ctx ends. It is an error when
// none came, and when cfg makes no sense; the error says what the agent answered last.
func New(ctx context.Context, cfg Config) (*Source, error) {
	client, wire, err := cfg.client()
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, client: client, wire: wire}
	s.latest.OnUpdate, s.latest.Now = cfg.OnUpdate, cfg.Now
	times := longpoll.Config{Wait: cfg.Wait}
	leaves, err := longpoll.New(times, s.askLeaf)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	trusted, err := longpoll.New(times, s.askRoots)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	watching, cancel := context.WithCancel(context.Background()) // it outlives ctx, and ends in Close
	s.cancel = cancel
	s.done.Go(func() { leaves.Run(watching) })
	s.done.Go(func() { trusted.Run(watching) })
	select {
	case <-s.latest.Ready():
		return s, nil
	case <-ctx.Done():
		_ = s.Close() // it has no error
		if err := s.latest.Err(); !errors.Is(err, security.ErrNoIdentity) {
			return nil, fmt.Errorf("connect: no identity for %q: %w: %w", cfg.Service, context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("connect: no identity for %q: %w", cfg.Service, context.Cause(ctx))
	}
}

// Identity is the last good one, until its end. After Close it stays what it was. See
// [security.Latest].
func (s *Source) Identity() (*security.Identity, error) {
	own, err := s.latest.Identity()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return own, nil
}

// Err says why the watch is not well: the agent is out of reach, or gave something that is
// not in force. It is nil when all is well.
func (s *Source) Err() error {
	if err := s.latest.Err(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// Peer is the expectation of a client that calls the named service: in the source's own
// trust domain and namespace, in any datacenter.
func (s *Source) Peer(service string) (security.Matcher, error) {
	own, err := s.Identity()
	if err != nil {
		return nil, err
	}
	self, ok := ParseService(own.ID())
	if !ok || service == "" {
		return nil, fmt.Errorf("connect: no expectation of %q for %s", service, own.ID())
	}
	return Service{TrustDomain: self.TrustDomain, Namespace: self.Namespace, Name: service}, nil
}

// Close ends the watch and waits for it. It may be called more than once; the error is
// always nil.
func (s *Source) Close() error {
	s.cancel()
	s.done.Wait()
	s.wire.CloseIdleConnections()
	return nil
}
