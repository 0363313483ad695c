// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

// spanName is the method of a call: it is always one of few.
func spanName(c *enmesh.Call) string {
	if c.Protocol == enmesh.GRPC {
		return rpcMethod(c)
	}
	if method := httpMethod(c); method != "_OTHER" {
		return method
	}
	return "HTTP"
}

func rpcMethod(c *enmesh.Call) string {
	return strings.TrimPrefix(c.Path, "/")
}

// httpMethod is the method, or "_OTHER" when it is none that HTTP knows.
func httpMethod(c *enmesh.Call) string {
	switch c.Method {
	//nolint:usestdlibvars // the words of the protocol, without importing net/http
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY":
		return c.Method
	case "":
		return "GET"
	}
	return "_OTHER"
}

// methodAttributes say what is asked, on both sides.
func methodAttributes(c *enmesh.Call) []attribute.KeyValue {
	if c.Protocol == enmesh.GRPC {
		return []attribute.KeyValue{
			attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", rpcMethod(c)),
		}
	}
	a := []attribute.KeyValue{attribute.String("http.request.method", httpMethod(c))}
	if httpMethod(c) == "_OTHER" {
		a = append(a, attribute.String("http.request.method_original", c.Method))
	}
	return a
}

func clientAttributes(c *enmesh.Call) []attribute.KeyValue {
	a := methodAttributes(c)
	if c.Protocol == enmesh.HTTP {
		scheme := c.Scheme
		if scheme == "" {
			scheme = "http"
		}
		a = append(a, attribute.String("url.full", scheme+"://"+c.Authority+c.Path))
	}
	if host, port := authority(c); host != "" {
		a = append(a, attribute.String("server.address", host))
		if port != 0 {
			a = append(a, attribute.Int("server.port", port))
		}
	}
	return a
}

// authority is the host and port that the caller named.
func authority(c *enmesh.Call) (host string, port int) {
	host, digits, err := net.SplitHostPort(c.Authority)
	if err != nil {
		host = c.Authority
	}
	if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
		return host, int(n)
	}
	switch {
	case c.Port != 0:
		return host, int(c.Port)
	case c.Scheme == "http":
		return host, 80
	case c.Scheme == "https":
		return host, 443
	}
	return host, 0
}

func serverAttributes(c *enmesh.Call) []attribute.KeyValue {
	a := methodAttributes(c)
	if c.Protocol == enmesh.HTTP {
		a = append(a, attribute.String("url.path", c.Path), attribute.String("url.scheme", c.Scheme))
	}
	if host, port := authority(c); host != "" {
		a = append(a, attribute.String("server.address", host))
		if port != 0 {
			a = append(a, attribute.Int("server.port", port))
		}
	}
	if c.Source != nil && c.Source.Addr.IsValid() {
		a = append(a, peerAttributes("client", c.Source.Addr)...)
	}
	return a
}

// peerAttributes are <of>.address and <of>.port.
func peerAttributes(of string, addr netip.AddrPort) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String(of+".address", addr.Addr().String()), attribute.Int(of+".port", int(addr.Port())),
	}
}

// ending ends a span when its call has ended.
type ending struct {
	span trace.Span
	side enmesh.Side
}

// Admit is never asked: an ending is only ever deferred.
func (e *ending) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

// Done says how the call ended, and ends the span.
func (e *ending) Done(_ enmesh.Token, r enmesh.Result) {
	if r.Call != nil {
		e.span.SetAttributes(endAttributes(r, e.side)...)
	}
	if failure := errorType(r, e.side); failure != "" {
		e.span.SetAttributes(attribute.String("error.type", failure))
		e.span.SetStatus(codes.Error, "")
	}
	e.span.End()
}

// endAttributes say where a call went and what came back.
func endAttributes(r enmesh.Result, side enmesh.Side) []attribute.KeyValue {
	c := r.Call
	var a []attribute.KeyValue
	text := func(key, value string) {
		if value != "" {
			a = append(a, attribute.String(key, value))
		}
	}
	if c.Protocol == enmesh.GRPC {
		text("rpc.response.status_code", enmesh.CodeOf(r.Err).String())
	} else if status := answerStatus(r, side); status != 0 {
		a = append(a, attribute.Int("http.response.status_code", status))
	}
	if c.Attempt > 1 {
		a = append(a, attribute.Int("http.request.resend_count", c.Attempt-1))
	}
	text("enmesh.service", c.Service)
	text("enmesh.subset", c.Subset)
	if c.Route != nil {
		text("enmesh.route", c.Route.Name)
	}
	text("enmesh.flags", string(telemetry.Flags(r)))
	if c.Endpoint != nil {
		if addr, err := netip.ParseAddrPort(c.Endpoint.Addr()); err == nil {
			a = append(a, peerAttributes("network.peer", addr)...)
		}
	}
	return a
}

// answerStatus is the status that came, or, at a server, that went out; else 0.
func answerStatus(r enmesh.Result, side enmesh.Side) int {
	if side == enmesh.Server {
		return telemetry.Status(r)
	}
	return r.Call.Answer.Status
}

// errorType says what makes a span one that failed: the HTTP status, or the name of
// the code. It is "" where nothing does: at a server, for what is the caller's fault.
func errorType(r enmesh.Result, side enmesh.Side) string {
	code := enmesh.CodeOf(r.Err)
	if code == enmesh.OK || r.Call == nil {
		return ""
	}
	status := answerStatus(r, side)
	if r.Call.Protocol == enmesh.HTTP && status >= 400 {
		if side == enmesh.Server && status < 500 {
			return ""
		}
		return strconv.Itoa(status)
	}
	if side == enmesh.Server && !serverFault(code) {
		return ""
	}
	return code.String()
}

// serverFault is the codes that are errors of a gRPC server by the conventions.
func serverFault(c enmesh.Code) bool {
	switch c {
	case enmesh.Unknown, enmesh.DeadlineExceeded, enmesh.Unimplemented, enmesh.Internal, enmesh.Unavailable, enmesh.DataLoss:
		return true
	}
	return false
}
