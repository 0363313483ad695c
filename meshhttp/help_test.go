// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http/httptrace"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// quiet is a log for what tests provoke.
var quiet = log.New(io.Discard, "", 0)

var endOnCancel = meshhttp.EndOnCancel()

// newTransport is a Transport whose chain is w's guard.
func newTransport(t *testing.T, w *world, opts ...meshhttp.ClientOption) *meshhttp.Transport {
	t.Helper()
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false, enmesh.Guard(w.guard)), oneCluster{w.cluster}, opts...)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// meshhttp2 is a Transport to a server that speaks TLS, by the mesh's wish.
func meshhttp2(t *testing.T, w *world, cfg *tls.Config) *meshhttp.Transport {
	t.Helper()
	cfg = cfg.Clone()
	cfg.ServerName, cfg.NextProtos = "example.com", nil
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false, enmesh.Guard(w.guard)), secured{oneCluster{w.cluster}, cfg})
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// gotConn runs f when net/http has chosen a connection, before the request is written.
func gotConn(ctx context.Context, f func()) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { f() }})
}
