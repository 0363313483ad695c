// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// hardening is a Source that wants TLS once it is told to.
type hardening struct {
	oneCluster
	strict *atomic.Bool
}

func (s hardening) ClientTLS(*balance.Endpoint) *tls.Config {
	if s.strict.Load() {
		return &tls.Config{}
	}
	return nil
}

// TestTransport_plaintextEndsWhenPolicyWantsTLS: a body that runs on and a connection that
// was taken over are cut soon after policy wants TLS, as are streams of gRPC; before that
// they run on.
func TestTransport_plaintextEndsWhenPolicyWantsTLS(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 2)
	w := newWorld(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		if r.Header.Get("Upgrade") == "" {
			for range 2 {
				_, _ = io.WriteString(rw, "a")
				rw.(http.Flusher).Flush()
			}
			<-r.Context().Done()
			return
		}
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	}))
	var strict atomic.Bool
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), hardening{oneCluster{w.cluster}, &strict})
	t.Cleanup(func() { _ = tr.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	send := func(upgrade string) *http.Response {
		req := must(http.NewRequestWithContext(ctx, http.MethodGet, "http://svc/", http.NoBody))
		if upgrade != "" {
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", upgrade)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	long, taken := send(""), send("echo")
	defer long.Body.Close()
	defer taken.Body.Close()
	both := taken.Body.(io.ReadWriter)
	echo := func() error {
		if _, err := both.Write([]byte("b")); err != nil {
			return err
		}
		_, err := io.ReadFull(both, make([]byte, 1))
		return err
	}
	if _, err := io.ReadFull(long.Body, make([]byte, 2)); err != nil {
		t.Fatalf("the body before: %v", err)
	}
	if err := echo(); err != nil {
		t.Fatalf("the connection that was taken over, before: %v", err)
	}
	strict.Store(true)
	_, err := io.ReadFull(long.Body, make([]byte, 1))
	if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "policy wants TLS") {
		t.Errorf("the body: %v, want it cut since policy wants TLS", err)
	}
	for err = nil; err == nil && ctx.Err() == nil; {
		err = echo()
	}
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection that was taken over: %v, want it cut", err)
	}
	for range 2 {
		select {
		case <-ended:
		case <-ctx.Done():
			t.Fatal("the server still serves in plaintext")
		}
	}
}
