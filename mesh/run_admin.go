// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
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
		if err := a.open(r.ctx, loopback(addr), r.m.health.Handler()); err != nil {
			return nil, err
		}
	}
	if addr := r.cfg.status; addr != "" {
		addr = loopback(addr)
		err := onlyLoopback(addr)
		if err == nil {
			err = a.open(r.ctx, addr, localOnly(r.m.statusHandler()))
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

// loopback adds the host that is missing.
func loopback(addr string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && host == "" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

func onlyLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("mesh: WithStatus(%q): %w", addr, err)
	}
	if !isLocal(host) {
		return fmt.Errorf("mesh: WithStatus(%q): status and metrics are served on a loopback address only", addr)
	}
	return nil
}

func isLocal(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// localOnly refuses requests by another name: a web page elsewhere could otherwise
// read them through a name that it makes lead to this machine (DNS rebinding).
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !isLocal(host) {
			http.Error(w, "mesh: ask by a loopback address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
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
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		_ = e.Encode(m.report()) // who asks may be gone
	})
	return mux
}
