// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/internal/longpoll"
	"github.com/enmesh-go/enmesh/security"
)

// askLeaf asks for the certificate. The agent renews it well before its end, and when the
// authority has a new root, and answers then.
func (s *Source) askLeaf(ctx context.Context, q longpoll.Query) (longpoll.Answer, error) {
	got, meta, err := s.client.Agent().ConnectCALeaf(s.cfg.Service, options(ctx, q))
	if err != nil {
		return longpoll.Answer{}, s.failed(ctx, ofLeaf, "leaf certificate", err)
	}
	fresh, err := parseLeaf(got)
	if err != nil {
		return longpoll.Answer{}, s.failed(ctx, ofLeaf, "leaf certificate", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.leaf == nil || s.leaf.pem != fresh.pem
	s.leaf = fresh
	s.took(ofLeaf, changed)
	return longpoll.Answer{Index: meta.LastIndex, Changed: changed}, nil
}

// askRoots asks for the roots.
func (s *Source) askRoots(ctx context.Context, q longpoll.Query) (longpoll.Answer, error) {
	got, meta, err := s.client.Agent().ConnectCARoots(options(ctx, q))
	if err != nil {
		return longpoll.Answer{}, s.failed(ctx, ofRoots, "roots", err)
	}
	fresh, err := parseRoots(got)
	if err != nil {
		return longpoll.Answer{}, s.failed(ctx, ofRoots, "roots", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.roots == nil || s.roots.text != fresh.text || s.roots.trustDomain != fresh.trustDomain
	s.roots = fresh
	s.took(ofRoots, changed)
	return longpoll.Answer{Index: meta.LastIndex, Changed: changed}, nil
}

func options(ctx context.Context, q longpoll.Query) *api.QueryOptions {
	return (&api.QueryOptions{WaitIndex: q.Index, WaitTime: q.Wait}).WithContext(ctx)
}

// failed notes a failure, unless Close is the reason.
func (s *Source) failed(ctx context.Context, which int, what string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	var status api.StatusError
	if errors.As(err, &status) {
		err = fmt.Errorf("%w: the agent answers %d: %.200s", longpoll.ErrKeepIndex, status.Code, strings.TrimSpace(status.Body))
	}
	err = fmt.Errorf("%s: %w", what, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs[which] = err
	s.latest.Fail(err)
	return err
}

// took notes an answer, and puts in force what changed. s.mu is held.
func (s *Source) took(which int, changed bool) {
	s.errs[which] = nil
	if changed {
		s.good = s.leaf != nil && s.roots != nil && s.take()
	}
	if err := s.errs[1-which]; err != nil {
		s.latest.Fail(err)
	} else if s.good {
		s.latest.Fail(nil)
	}
}

// take puts leaf and roots in force if they fit. When the authority changes, the leaf of
// the new root may come before the root: it waits for it. s.mu is held.
func (s *Source) take() bool {
	own, err := security.NewIdentity(s.leaf.cert, map[string][]*x509.Certificate{s.roots.trustDomain: s.roots.certs})
	if err == nil {
		if named, ok := ParseService(own.ID()); !ok || named.Name != s.cfg.Service {
			err = fmt.Errorf("the agent gave the certificate of %s for %q", own.ID(), s.cfg.Service)
		}
	}
	if err != nil {
		s.latest.Fail(err)
		return false
	}
	return s.latest.Take(own) == nil
}

func parseLeaf(got *api.LeafCert) (*leaf, error) {
	cert, err := tls.X509KeyPair([]byte(got.CertPEM), []byte(got.PrivateKeyPEM))
	if err != nil {
		return nil, err // it shows no key
	}
	return &leaf{cert: cert, pem: got.CertPEM}, nil
}

func parseRoots(got *api.CARootList) (*roots, error) {
	r := &roots{trustDomain: got.TrustDomain}
	if r.trustDomain == "" {
		return nil, errors.New("the agent names no trust domain")
	}
	var text strings.Builder
	for _, root := range got.Roots {
		certs, err := parseCerts(root.RootCertPEM)
		if err != nil {
			return nil, fmt.Errorf("root %q: %w", root.Name, err)
		}
		r.certs = append(r.certs, certs...)
		text.WriteString(root.RootCertPEM)
	}
	if len(r.certs) == 0 {
		return nil, errors.New("there are none")
	}
	r.text = text.String()
	return r, nil
}

func parseCerts(text string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("it has no certificate")
	}
	return certs, nil
}
