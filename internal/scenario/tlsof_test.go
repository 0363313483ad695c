// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package scenario_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/internal/spiretest"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca/connect"
	"github.com/enmesh-go/enmesh/security/spiffe"
)

// shown is the certificate that a source gives now.
func shown(t *testing.T, s security.Source) []byte {
	t.Helper()
	own, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return own.Certificate().Certificate[0]
}

// trusted is what a source believes in its own domain now.
func trusted(t *testing.T, s security.Source) *x509.CertPool {
	t.Helper()
	own, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return own.Roots(own.ID().TrustDomain())
}

// TestScenarioT1_rotationBySPIREUnderLoad: SPIRE renews the certificate every 5 s, with 15 s
// of its life left, while calls go over HTTP and gRPC. None fails, and a connection is made
// anew when its own certificates near their end, not when there are others.
func TestScenarioT1_rotationBySPIREUnderLoad(t *testing.T) {
	s := spiretest.Start(t)
	s.Entry("/web", 20*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	source, err := spiffe.New(ctx, spiffe.Config{Address: s.Address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	y := newYard(t, source, source, yardCall)
	length := ledger.Short(30 * time.Second)
	load := y.load(t, yardRate(), length)
	rotations := 0
	for before := shown(t, source); time.Since(load.Begin()) < length; pause(t, 20*time.Millisecond) {
		if now := shown(t, source); !bytes.Equal(now, before) {
			rotations, before = rotations+1, now
		}
	}
	lostNone(t, load.Wait())
	if rotations < 2 {
		t.Errorf("%d rotations, want 2 at least", rotations)
	}
	y.noStorm(t, length, 6*time.Second)
}

// TestScenarioT3_rootOfConsulUnderLoad: Consul's authority makes new roots while calls go over
// HTTP and gRPC. None fails, and what is open stays: nobody connects again.
func TestScenarioT3_rootOfConsulUnderLoad(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	of := func(service string) security.Source {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		s, err := connect.New(ctx, connect.Config{Service: service, API: &api.Config{Address: n.Addr}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	server, client := of("api"), of("web")
	y := newYard(t, server, client, yardCall)
	length := ledger.Short(30 * time.Second)
	load := y.load(t, yardRate(), length)
	rotations := 0
	for time.Since(load.Begin()) < length-5*time.Second {
		before, beside := trusted(t, server), trusted(t, client)
		n.OK(http.MethodPut, "/v1/connect/ca/configuration", map[string]any{
			"Provider": "consul", "Config": map[string]any{"PrivateKeyType": "ec", "PrivateKeyBits": []int{384, 521, 256}[rotations%3]},
		}, nil)
		poll(t, 10*time.Second, "the new root", func() bool {
			return !trusted(t, server).Equal(before) && !trusted(t, client).Equal(beside)
		})
		rotations++
		pause(t, 4*time.Second)
	}
	lostNone(t, load.Wait())
	if rotations < 2 {
		t.Errorf("%d rotations, want 2 at least", rotations)
	}
	y.noStorm(t, length, 2*length)
}
