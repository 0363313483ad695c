// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package authz decides which calls a server takes, by the rules of Istio's
// AuthorizationPolicy, for HTTP and gRPC alike.
//
// A [Policy] says who ([Source]) may do what ([Operation]) under which conditions
// ([Condition]), or may not. An [Engine] is made of all the policies that hold for a
// server, and is a gate in its chain, behind what verifies the peer and the token:
//
//	engine, err := authz.New(authz.Config{
//		TrustDomain: "cluster.local",
//		Policies: []authz.Policy{{
//			Name: "viewers", Namespace: "default", Action: authz.Allow,
//			Rules: []authz.Rule{{
//				From: []authz.Source{{Principals: []string{"cluster.local/ns/default/sa/web"}}},
//				To:   []authz.Operation{{Methods: []string{"GET"}, Paths: []string{"/reviews/*"}}},
//			}},
//		}},
//		Audit: authz.LogTo(slog.Default()),
//	})
//	if err != nil {
//		return err
//	}
//	handler := meshhttp.NewHandler(mux, enmesh.Fixed(false, engine.Middleware()))
//
// # The order
//
// Custom policies are asked first: what one matches, its [Checker] must allow. Then Deny:
// what one matches is refused. Then Allow: where there is an Allow policy, a call must
// match one, and an Allow policy without rules matches none. Where there is none, what is
// left is allowed, as in Istio, unless Config.Default says [DenyByDefault]. Audit policies
// and those in a dry run decide nothing; Config.Audit and Config.Recorder hear of what they
// match, and of what they would change.
//
// # Keys of conditions
//
// request.headers[name], source.ip, remote.ip, source.namespace, source.principal,
// source.serviceAccount, source.trustDomain, request.auth.principal,
// request.auth.audiences, request.auth.presenter, request.auth.claims[a][b],
// destination.ip, destination.port, connection.sni. The header "host", or ":authority", is
// compared as hosts are, and ":method" as methods. Of claims, texts and lists of texts
// match; scope and permission are lists with spaces between. Every other key, and whatever
// else cannot be meant, [New] refuses, by the name of the policy and the field.
//
// # What is in doubt
//
// Nothing that is in doubt opens: a Deny, Custom or Audit rule matches if the call can be
// taken so in any way, an Allow rule only if it must be in every way, and notValues are the
// contrary of values each time. In doubt are:
//
//   - a header in several lines, or with commas: each line and each element counts, and
//     all lines joined. Fields that are no lists, such as User-Agent, are whole for Allow.
//     More than 256 elements are an error. "*" for an empty header is in doubt, too;
//   - a path without its slash, one of gRPC that is no /package.Service/Method, a host that is none, an identity that is no SPIFFE ID, a
//     token without issuer or subject, and a NUL anywhere;
//   - an address or a port that the adapter does not know;
//   - a method that is one of the list but for case;
//   - numbers and truth values in claims, which Istio does not match;
//   - a request principal that matches only when it is not cut at the last slash.
//
// What is absent is not in doubt: a call without a peer certificate has no principal, so
// principals does not match it and notPrincipals does, as in Istio.
//
// # What a refusal says
//
// [ErrDenied]: 403 with the body "RBAC: access denied", or PERMISSION_DENIED, Neutral. With
// Config.Hide it is what the protocol says of a thing that is not there. What a Checker
// denies with, the caller gets. [ErrNoDecision]: 503 or UNAVAILABLE where a Checker fails
// and does not say with what, 500 or INTERNAL where a part of the decision panics; both are
// refusals, failures, and counted ([Engine.Failures], Config.Recorder).
//
// [Engine.Explain] says which rule of which file decides, and which missed by least.
//
// # Speed
//
// Rules are indexed by what they have alone: principals, paths, hosts, claims, headers,
// addresses. A decision by ten thousand of them takes about a microsecond and no
// allocation. Rules that say only what is not meant, as notPaths alone, are tried one by
// one, at less than a tenth of a microsecond each.
//
// # Limits
//
// The engine believes enmesh.Call: the path must be the one that the handler gets, in one
// form, and identity headers from outside must be gone; adapters see to both. A Checker has
// the time that the call's context leaves it. What holds for a server, by namespace and
// selector, is chosen by the caller of New.
package authz
