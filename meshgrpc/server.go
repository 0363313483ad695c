// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"crypto/tls"
	"log/slog"
	"runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/enmesh-go/enmesh"
)

// Server is the server side of the mesh for gRPC: it runs the chains of a Router
// round every handler, of all four kinds.
type Server struct {
	router      enmesh.Router
	tls         *tls.Config
	shaken      bool // by the listener
	identity    func(*tls.ConnectionState) string
	onPanic     func(ctx context.Context, method string, value any, stack []byte)
	workers     uint32
	maxDeadline time.Duration
	limits      serverLimits
	creds       credentials.TransportCredentials // nil: those of tls
	identities  identities
	sources     sources
	outside     outside
	serverName  ServerNameCheck
}

// NewServer makes the server side; r chooses each call's route. A call's destination
// is what r sets: gRPC's server knows only the method and the authority.
//
// A panic in a handler or a policy becomes codes.Internal with a text that gives
// nothing away; see [WithPanicHook]. A refusal of a policy becomes its code, with
// RetryInfo and the grpc-retry-pushback-ms trailer where it says when, or whether,
// to come back. A handler's own error goes to the caller untouched.
//
// Policies and handlers see one path. Registered methods are called by their exact names
// only; where the program has a grpc.UnknownServiceHandler, anything but a well-formed
// "/package.Service/Method" is Unimplemented before a policy or the handler sees it, and so
// is a linked method's name in other letters. A call over TLS for another host than its
// connection was made to is refused (see [CheckOutside]). Keys of metadata in which anybody could claim
// to be somebody are taken off (see [WithStrippedMetadata]).
func NewServer(r enmesh.Router, opts ...ServerOption) *Server {
	s := &Server{router: r, onPanic: logPanic, workers: defaultWorkers(), maxDeadline: DefaultMaxDeadline, limits: defaultLimits()}
	s.identity = s.identities.of
	s.outside.recorder, _ = r.(enmesh.Recorder)
	for _, o := range opts {
		o.server(s)
	}
	s.outside.prepare()
	return s
}

// workersPerProc is how many stream workers there are for each processor that Go uses.
const workersPerProc = 16

func defaultWorkers() uint32 {
	return uint32(workersPerProc * runtime.GOMAXPROCS(0))
}

// Options is all that grpc.NewServer needs: both interceptors; credentials, those of
// [WithTLS], [WithListener] or [WithCredentials], else plaintext, above which connections and
// frames are counted; the limits of this package's options or their defaults; a keepalive
// policy that allows clients to ping every 10 seconds; pings of clients that are silent for 9
// seconds, which finds the dead ones within 15 and tells the others that this side lives; with
// mutual TLS an age of connections of 25 min, at which they end softly, unless
// [WithConnectionAge] says another; and stream workers (see [WithStreamWorkers]). Options of
// the program's own that come later in the list win; its interceptors run inside.
func (s *Server) Options() []grpc.ServerOption {
	limits := s.limits
	if limits.age == 0 && s.mutual() {
		limits.age = securedAge
	}
	return append([]grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.Unary()),
		grpc.ChainStreamInterceptor(s.Stream()),
		grpc.NumStreamWorkers(s.workers),
		grpc.Creds(s.transport()),
	}, limits.options()...)
}

// securedAge is when grpc ends a connection over TLS softly, give or take a tenth: clients
// then show their present certificate. Certificates that live an hour and are renewed at
// half their life have 30 min left at least.
const securedAge = 25 * time.Minute

// mutual reports whether clients show certificates, which end.
func (s *Server) mutual() bool {
	return s.shaken || s.tls != nil && s.tls.ClientAuth >= tls.RequireAndVerifyClientCert
}

// Unary is the interceptor of unary methods alone.
func (s *Server) Unary() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, cancel := s.believe(ctx)
		if cancel != nil {
			defer cancel()
		}
		x := newServed(s)
		x.req, x.unary = req, handler
		err := x.serve(ctx, info.FullMethod, enmesh.Unary)
		resp := x.resp
		x.recycle()
		if err != nil {
			return nil, err
		}
		return resp, nil
	}
}

// Stream is the interceptor of streaming methods alone.
func (s *Server) Stream() grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		kind := kindOf(info.IsClientStream, info.IsServerStream)
		if srv == nil && !exact(info.FullMethod) { // for the program's handler of unknown services
			return s.reject(kind, errInexact)
		}
		x := &served{server: s, req: srv, streaming: &streaming{handler: handler, stream: ss}}
		return x.serve(ss.Context(), info.FullMethod, kind)
	}
}

func kindOf(client, server bool) enmesh.Kind {
	switch {
	case client && server:
		return enmesh.Bidi
	case client:
		return enmesh.ClientStream
	case server:
		return enmesh.ServerStream
	}
	return enmesh.Unary
}

func logPanic(ctx context.Context, method string, value any, stack []byte) {
	slog.ErrorContext(ctx, "meshgrpc: panic", "method", method, "value", value, "stack", string(stack))
}
