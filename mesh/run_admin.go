// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/internal/loopback"
)

// admin is the servers of WithHealth and WithStatus.
type admin struct {
	servers []*http.Server
	wait    sync.WaitGroup
}

// openAdmin starts them.
func (r *runner) openAdmin() (*admin, error) {
	a := &admin{}
	if addr := r.cfg.health; addr != "" {
		if err := a.open(r.ctx, loopback.Complete(addr), r.m.health.Handler()); err != nil {
			return nil, err
		}
	}
	if addr := r.cfg.status; addr != "" {
		addr = loopback.Complete(addr)
		err := onlyLoopback(addr)
		if err == nil {
			err = a.open(r.ctx, addr, loopback.Only("mesh", r.m.statusHandler()))
		}
		if err != nil {
			a.close()
			return nil, err
		}
	}
	return a, nil
}

func (a *admin) open(ctx context.Context, addr string, h http.Handler) error {
	var from net.ListenConfig
	l, err := from.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("mesh: listening for health and status: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	a.servers = append(a.servers, s)
	a.wait.Go(func() { _ = s.Serve(l) }) // until close
	return nil
}

func (a *admin) close() {
	for _, s := range a.servers {
		_ = s.Close() // nothing that it answers is worth a wait
	}
	a.wait.Wait()
}

// onlyLoopback refuses an address that others can reach.
func onlyLoopback(addr string) error {
	if err := loopback.Check(addr); err != nil {
		return fmt.Errorf("mesh: WithStatus: status and metrics are served on a loopback address only: %w", err)
	}
	return nil
}

// statusHandler serves the mesh's metrics, status and health, and its explanations.
func (m *Mesh) statusHandler() http.Handler {
	mux := http.NewServeMux()
	health := m.health.Handler()
	mux.Handle("GET /healthz", health)
	mux.Handle("GET /readyz", health)
	mux.Handle("GET /metrics", m.Metrics())
	explainer := m.Explainer()
	mux.Handle("GET /explain", explainer)
	mux.Handle("GET /explain/authz", explainer)
	mux.Handle("GET /decisions", explainer)
	mux.HandleFunc("GET /breakers", questions(m.breakersAnswer))
	mux.Handle("POST /breakers", http.NewCrossOriginProtection().Handler(questions(m.breakerSet, "service", "route", "do")))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(m.report()) // who asks may be gone
	})
	return mux
}
