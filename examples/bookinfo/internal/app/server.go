// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh/meshhttp"
)

// listen opens a TCP port.
func listen(addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	return l, nil
}

// addrOf is the address of a TCP listener.
func addrOf(l net.Listener) netip.AddrPort {
	a, _ := netip.ParseAddrPort(l.Addr().String())
	return a
}

// server is an HTTP server that runs.
type server struct {
	http *meshhttp.Server
	l    net.Listener
	done sync.WaitGroup
}

// serve serves h at l: over TLS if there is a configuration, else plainly.
func serve(l net.Listener, h http.Handler, config *tls.Config, log *slog.Logger) *server {
	s := &server{l: l, http: meshhttp.NewServer(h)}
	s.http.TLSConfig = config
	s.http.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	s.done.Go(func() {
		err := s.run()
		if !errors.Is(err, http.ErrServerClosed) {
			log.Error("server ended", "address", l.Addr().String(), "error", err)
		}
	})
	return s
}

func (s *server) run() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.l, "", "")
	}
	return s.http.Serve(s.l)
}

// shutdown waits for what is in flight until ctx ends, then cuts it off.
func (s *server) shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("app: server at %s: %w", s.l.Addr(), err), s.http.Close())
	}
	s.done.Wait()
	return err
}

func (s *server) kill() {
	_ = s.http.Close() // listener and connections; what they say at their end is of no use
	s.done.Wait()
}

// grpcServer is a gRPC server that runs.
type grpcServer struct {
	grpc *grpc.Server
	done sync.WaitGroup
}

func serveGRPC(l net.Listener, g *grpc.Server) *grpcServer {
	s := &grpcServer{grpc: g}
	s.done.Go(func() { _ = g.Serve(l) }) // it ends by Stop and GracefulStop alone
	return s
}

// shutdown waits for what is in flight until ctx ends, then cuts it off.
func (s *grpcServer) shutdown(ctx context.Context) error {
	cut := context.AfterFunc(ctx, s.grpc.Stop)
	defer cut()
	s.grpc.GracefulStop()
	s.done.Wait()
	return nil
}

func (s *grpcServer) kill() {
	s.grpc.Stop()
	s.done.Wait()
}
