// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package spiffe_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/internal/spiretest"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/mtls"
	"github.com/enmesh-go/enmesh/security/spiffe"
)

// ofSpire makes a source from a real agent.
func ofSpire(t *testing.T, s *spiretest.Spire) *spiffe.Source {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	source, err := spiffe.New(ctx, spiffe.Config{Address: s.Address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// serve is a server that asks for a certificate, and the identity it saw last.
func serve(t *testing.T, source security.Source) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := security.PeerID(r.TLS)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, id.String())
	}))
	server.TLS = mtls.Server(source)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// transport connects with the source's identity, and expects its own at the other end.
func transport(t *testing.T, source security.Source, keepAlive bool) *http.Transport {
	t.Helper()
	own, err := source.Identity()
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: mtls.Client(source, own.ID()), DisableKeepAlives: !keepAlive}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// get makes one call, and returns the certificate that the server showed.
func get(ctx context.Context, tr http.RoundTripper, url string) (*tls.ConnectionState, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return resp.TLS, nil
}

// SPIRE renews certificates every few seconds while calls go over connections that stay and
// over new ones: none fails, and a new connection has the new certificate within 1 s.
func TestScenarioT1_rotationBySPIRE(t *testing.T) {
	s := spiretest.Start(t)
	s.Entry("/web", 20*time.Second) // renewed at half of the life, which begins 10 s in the past: every 5 s
	source := ofSpire(t, s)
	url := serve(t, source)
	ctx, cancel := context.WithTimeout(t.Context(), ledger.Short(5*time.Minute))
	defer cancel()
	var calls, failed, rotations, late atomic.Int64
	load := func(tr *http.Transport, every time.Duration) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if _, err := get(context.WithoutCancel(ctx), tr, url); err != nil {
				failed.Add(1)
				t.Error(err)
			}
			calls.Add(1)
		}
	}
	done := make(chan struct{}, 2)
	kept, fresh, probe := transport(t, source, true), transport(t, source, false), transport(t, source, false)
	go func() { load(kept, 5*time.Millisecond); done <- struct{}{} }()
	go func() { load(fresh, 20*time.Millisecond); done <- struct{}{} }()
	before := leaf(t, source)
	for ctx.Err() == nil {
		now := leaf(t, source)
		if now == before {
			sleep(ctx, 20*time.Millisecond)
			continue
		}
		rotations.Add(1)
		if cs, err := get(context.WithoutCancel(ctx), probe, url); err != nil || string(cs.PeerCertificates[0].Raw) != now {
			late.Add(1)
		}
		before = now
	}
	<-done
	<-done
	t.Logf("%d calls, %d failed, %d rotations, %d of them late", calls.Load(), failed.Load(), rotations.Load(), late.Load())
	if rotations.Load() < 2 || failed.Load() > 0 || late.Load() > 0 || calls.Load() < 500 {
		t.Errorf("got %d rotations, %d failures, %d late; want at least 2, 0, 0 over at least 500 calls, of which there were %d",
			rotations.Load(), failed.Load(), late.Load(), calls.Load())
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// The agent stands still, is killed, comes back without an identity for us: the certificate
// stays until its end, and calls go on. After the end there are none. A fresh agent with an
// entry puts it right.
func TestScenarioT15_agentOfSPIRE(t *testing.T) {
	s := spiretest.Start(t)
	entry := s.Entry("/web", 20*time.Second)
	source := ofSpire(t, s)
	url := serve(t, source)
	fresh := transport(t, source, false)
	ok := func(what string) {
		t.Helper()
		if _, err := get(t.Context(), fresh, url); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.StopAgent()
	ok("the agent stands still")
	s.ContAgent()
	before := leaf(t, source)
	await(t, "the certificate after a standstill", func() bool { return leaf(t, source) != before })
	s.KillAgent()
	await(t, "the failure", func() bool { return source.Err() != nil })
	ok("the agent is dead")
	s.DeleteEntry(entry)
	s.RestartAgent()
	ok("the agent has no identity for us")
	own, err := source.Identity()
	if err != nil {
		t.Fatal(err)
	}
	end := time.NewTimer(time.Until(own.NotAfter()) + 50*time.Millisecond)
	defer end.Stop()
	select {
	case <-end.C:
	case <-t.Context().Done():
	}
	if _, err := source.Identity(); !errors.Is(err, security.ErrNoIdentity) {
		t.Errorf("after the end of the certificate: got %v, want ErrNoIdentity", err)
	}
	if _, err := get(t.Context(), fresh, url); err == nil {
		t.Error("after the end of the certificate a call went through")
	}
	s.Entry("/web", time.Minute)
	deadline := time.Now().Add(30 * time.Second)
	for source.Err() != nil && time.Now().Before(deadline) {
		sleep(t.Context(), 50*time.Millisecond)
	}
	ok("an entry again")
}
