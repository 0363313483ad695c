// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package exthttp asks an HTTP service whether a call is allowed, as Envoy's external
// authorization does and Istio's envoyExtAuthzHttp provider configures it. It is the
// checker behind a CUSTOM policy:
//
//	checker, err := exthttp.New(exthttp.Config{
//		URL:                          "http://127.0.0.1:4180",
//		IncludeRequestHeadersInCheck: []string{"authorization", "cookie"},
//		HeadersToUpstreamOnAllow:     []string{"x-auth-request-user"},
//	})
//	if err != nil {
//		return err
//	}
//	defer checker.Close()
//	engine, err := authz.New(authz.Config{
//		Policies: []authz.Policy{{Name: "login", Action: authz.Custom, Provider: "oauth2", Rules: []authz.Rule{{}}}},
//		Checkers: map[string]authz.Checker{"oauth2": checker},
//	})
//
// The service is sent the call's method, host, path with the query, and the headers that
// are listed; never the body, and nothing else of the call. 200 lets the call through. Any
// other status below 500 refuses it, and is the caller's answer with its headers and
// body: a redirection to a login page arrives as one. In gRPC the status becomes a code.
//
// # When the service does not answer
//
// A status of 500 and above, no answer within Timeout, a connection that breaks and a panic
// on the way are no answer: the call is refused with StatusOnError, 403 unless set, or let
// through with FailOpen. Both are counted, and the Recorder hears of them. A call whose own
// time ends first, or whose caller goes, ends for that reason.
//
// # What differs from Envoy
//
// The path is the one that the handler gets, in canonical form. The timeout is 1 s unless
// set. Redirections are not followed, cookies of the service are not kept, an answer's body
// is cut at 64 KiB, and a refusal with a status of 2xx reads 403. CONNECT cannot be asked
// about and is refused.
//
// A header of HeadersToUpstreamOnAllow that the service does not send stays as the caller
// sent it, as in Envoy: let the service always send it, or strip it where calls come in.
package exthttp
