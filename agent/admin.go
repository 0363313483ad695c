// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/enmesh-go/enmesh/internal/loopback"
)

// Handler serves how things stand:
//
//   - /status: [Status] as JSON, or a page for browsers, which is at / for all;
//   - /config: what each client was told, as JSON, keys redacted; ?node= chooses a node id;
//   - /metrics: the registry's metrics;
//   - /healthz: 200 while the process runs;
//   - /readyz: 200 when clients are answered and all certificates are good, else 503 and why.
//
// It answers only to requests by a loopback name, wherever it is served.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.serveReady)
	mux.HandleFunc("GET /status", a.serveStatus)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { a.servePage(w) })
	mux.HandleFunc("GET /config", a.serveConfig)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.cfg.Registry, promhttp.HandlerOpts{}))
	return loopback.Only("agent", mux)
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text) // who asks may be gone
}

// serveReady says whether workloads that start now would get what they need.
func (a *Agent) serveReady(w http.ResponseWriter, _ *http.Request) {
	if !a.ready() {
		answer(w, http.StatusServiceUnavailable, "no policy is known yet: "+a.policies.report().Error)
		return
	}
	now := time.Now()
	for _, i := range a.issuers {
		if s := i.report(now); s.Left <= 0 {
			answer(w, http.StatusServiceUnavailable, "no good certificate is in "+s.Dir+": "+s.Error)
			return
		}
	}
	answer(w, http.StatusOK, "ready")
}

func (a *Agent) serveStatus(w http.ResponseWriter, r *http.Request) {
	if wantsPage(r) {
		a.servePage(w)
		return
	}
	writeJSON(w, a.Status())
}

// writeJSON answers with v, which has a form in JSON whatever is in it.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) //nolint:errchkjson // who asks may be gone, and of what is given no more can be wrong
}

// serveAdmin serves until ctx ends.
func serveAdmin(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute}
	var wait sync.WaitGroup
	defer wait.Wait()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // nothing that it answers is worth a wait
	defer stop()
	err := s.Serve(l)
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("agent: admin: %w", err)
}
