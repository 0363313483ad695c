// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca/connect"
)

// newRoot has Consul's authority make a new root: of another kind than the last.
func newRoot(n *consultest.Node, bits int) {
	n.OK(http.MethodPut, "/v1/connect/ca/configuration", map[string]any{
		"Provider": "consul", "Config": map[string]any{"PrivateKeyType": "ec", "PrivateKeyBits": bits},
	}, nil)
}

func TestSource_namesServicesAsConsulDoes(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	web, api := open(t, n.Addr, "", "web"), open(t, n.URL(), "", "api")
	own, err := web.Identity()
	if err != nil {
		t.Fatal(err)
	}
	named, ok := connect.ParseService(own.ID())
	if !ok || named.Name != "web" || named.Datacenter != "dc1" || !strings.HasSuffix(named.TrustDomain, ".consul") {
		t.Errorf("got the ID %s, want that of the service web", own.ID())
	}
	url := serve(t, api)
	want, err := web.Peer("api")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := get(t.Context(), transport(t, web, want, false), url); err != nil || got != own.ID().String() {
		t.Errorf("the server saw %q, %v, want %s", got, err, own.ID())
	}
	other, err := web.Peer("api-evil")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := get(t.Context(), transport(t, web, other, false), url); err == nil {
		t.Errorf("a server of another name was taken: it answered %q", got)
	}
	if err := web.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
}

// The authority changes its root again and again while calls go on, over connections that
// stay and over new ones: none fails. The agent renews the leaf at some time in the half
// minute after a change.
func TestScenarioT3_rootOfConsulChangesUnderLoad(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	web, api := open(t, n.Addr, "", "web"), open(t, n.Addr, "", "api")
	url := serve(t, api)
	want, err := web.Peer("api")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), ledger.Short(2*time.Minute))
	defer cancel()
	var calls, failed, rotations, leaves atomic.Int64
	load := func(tr *http.Transport, every time.Duration) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if _, _, err := get(context.WithoutCancel(ctx), tr, url); err != nil {
				failed.Add(1)
				t.Error(err)
			}
			calls.Add(1)
		}
	}
	done := make(chan struct{}, 3)
	kept, fresh := transport(t, web, want, true), transport(t, web, want, false)
	go func() { load(kept, 5*time.Millisecond); done <- struct{}{} }()
	go func() { load(fresh, 20*time.Millisecond); done <- struct{}{} }()
	go func() { renewals(ctx, t, web, &leaves); done <- struct{}{} }()
	sizes := []int{384, 521, 256}
	for ctx.Err() == nil {
		before, beside := roots(t, web), roots(t, api)
		newRoot(n, sizes[int(rotations.Load())%len(sizes)])
		for ctx.Err() == nil && (roots(t, web).Equal(before) || roots(t, api).Equal(beside)) {
			sleep(ctx, 20*time.Millisecond)
		}
		if ctx.Err() == nil {
			rotations.Add(1)
		}
		sleep(ctx, 4*time.Second)
	}
	<-done
	<-done
	<-done
	t.Logf("%d calls, %d failed, %d roots, %d leaves", calls.Load(), failed.Load(), rotations.Load(), leaves.Load())
	if rotations.Load() < 2 || failed.Load() > 0 || calls.Load() < 500 || ledger.Full() && leaves.Load() < 2 {
		t.Errorf("got %d new roots, %d leaves and %d failures over %d calls, want at least 2 (2 in full length), 0 and 500",
			rotations.Load(), leaves.Load(), failed.Load(), calls.Load())
	}
}

// renewals counts how often the certificate changes.
func renewals(ctx context.Context, t *testing.T, s security.Source, n *atomic.Int64) {
	before := leaf(t, s)
	for ctx.Err() == nil {
		if now := leaf(t, s); now != before {
			before = now
			n.Add(1)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// roots are those that are trusted now, in the source's own domain.
func roots(t *testing.T, s security.Source) *x509.CertPool {
	t.Helper()
	own, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return own.Roots(own.ID().TrustDomain())
}

// The agent is killed, or stands still: the last identity stays, calls go on, and what comes
// after its return is taken.
func TestScenarioT15_agentOfConsul(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{Keep: true})
	web := open(t, n.Addr, "", "web")
	url := serve(t, web)
	want, err := web.Peer("web")
	if err != nil {
		t.Fatal(err)
	}
	fresh := transport(t, web, want, false)
	ok := func(what string) {
		t.Helper()
		if _, _, err := get(t.Context(), fresh, url); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	before := leaf(t, web)
	n.Stop()
	ok("the agent stands still")
	n.Cont()
	n.Kill()
	await(t, "the failure", func() bool { return web.Err() != nil })
	ok("the agent is dead")
	if leaf(t, web) != before {
		t.Error("the identity changed while there was nobody to change it")
	}
	n.Restart()
	newRoot(n, 384)
	await(t, "a certificate of the new root", func() bool { return leaf(t, web) != before && web.Err() == nil })
	ok("the agent is back, with a new root")
}

func TestSource_token(t *testing.T) {
	n := consultest.ACL(t)
	if s, err := try(n.Addr, "", "web", time.Second); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("without a token: got %v, %v, want the agent's 403", s, err)
	}
	other := n.NewToken(`service "api" { policy = "write" }`)
	if s, err := try(n.Addr, other, "web", time.Second); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("with the token of another service: got %v, %v, want the agent's 403", s, err)
	}
	token := n.NewToken(`service "web" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
	s := open(t, n.Addr, token, "web")
	before := leaf(t, s)
	n.RevokeToken(token)
	if leaf(t, s) != before {
		t.Error("the identity changed when the token was revoked")
	}
	var _ security.Source = s
}
