// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package extgrpc asks a gRPC service whether a call is allowed: one of
// envoy.service.auth.v3.Authorization, as Envoy's external authorization does and Istio's
// envoyExtAuthzGrpc provider configures it. An Open Policy Agent with its Envoy plugin is one.
// It is the checker behind a CUSTOM policy:
//
//	conn, err := grpc.NewClient("127.0.0.1:9191", grpc.WithTransportCredentials(credentials))
//	if err != nil {
//		return err
//	}
//	checker, err := extgrpc.New(conn, extgrpc.Config{})
//	if err != nil {
//		return err
//	}
//	engine, err := authz.New(authz.Config{
//		Policies: []authz.Policy{{Name: "opa", Action: authz.Custom, Provider: "opa", Rules: []authz.Rule{{}}}},
//		Checkers: map[string]authz.Checker{"opa": checker},
//	})
//
// The service is sent who calls (the connection's address and the verified SPIFFE ID), what
// is called (method, canonical path with the query, host, scheme), the headers that are
// listed, and the server name of TLS; never the body. Its OK lets the call through, with the
// headers and query parameters that it wants changed. Its denial is the caller's answer,
// with status, headers and body; in gRPC the status becomes a code. Changes to headers of
// HTTP/2's own, as ":path", and to what frames a message are not made: the handler gets
// what was authorized.
//
// # When the service does not answer
//
// An error of the call to it, no answer within Timeout, an error_response, an answer that
// says nothing and a panic on the way are no answer: the call is refused with StatusOnError,
// 403 unless set, or let through with FailOpen. Both are counted, and the Recorder hears of
// them. A call whose own time ends first, or whose caller goes, ends for that reason.
//
// # What differs from Envoy
//
// The timeout is 1 s unless set. A denial without an HTTP status has that of its gRPC code,
// if that is the caller's fault. What is not UTF-8 in a header or path is replaced. Dynamic
// metadata is not read, and the body not sent.
package extgrpc
