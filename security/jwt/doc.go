// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package jwt finds out on whose behalf a call is made, from a JSON Web Token (RFC 7519)
// that the call brings: Istio's RequestAuthentication, for HTTP and gRPC servers alike.
//
//	users, err := jwt.New(jwt.Config{Rules: []jwt.Rule{{
//		Issuer:    "https://login.example.com",
//		Audiences: []string{"shop"},
//		JWKSURI:   "https://login.example.com/.well-known/jwks.json",
//	}}})
//	if err != nil {
//		return err
//	}
//	defer users.Close()
//	server := &http.Server{Handler: meshhttp.NewHandler(h, enmesh.Fixed(false, users.Middleware(), authorize))}
//
// A call without a token goes through and is nobody's: whether one is needed, authorization
// decides. A call with a valid token carries an [enmesh.Auth], which [enmesh.Call.Auth] returns to
// policies further in and to the handler. A call with any other token is refused, with 401
// and WWW-Authenticate, or UNAUTHENTICATED: what is present but invalid is never taken for missing. That
// holds for tokens of issuers that no rule names, too.
//
// # What is checked, in which order
//
//   - Where: a rule reads its places only, and a token must satisfy one of the rules that
//     read the place it is found at. A place that has two different tokens is refused. Where tokens stand at
//     several places, each must be valid, and the first place in the order of the rules says who calls:
//     what Istio leaves open.
//   - Form: at most 8 KiB, three parts in canonical base64url, JSON objects in which no name
//     stands twice. Encrypted tokens, and headers that bring a key along, say where to fetch one, or change
//     how the rest is read (crit, jwk, jku, x5u, x5c, b64, zip, a token within a token), are refused.
//   - Algorithm and type: of the rule's lists. There are signatures with public keys only.
//   - Claims: iss and one of aud exactly as the rule says; exp, which must be there, nbf and iat
//     as numbers, with a leeway of 30 s; sub, unless the rule has it optional, as Istio does:
//     a token without has no principal.
//   - Key: of the rule's issuer and no other; of the kind and on the curve that the algorithm is for, RSA
//     with 2048 bits at least. A key that the set names is only tried for tokens that name it.
//
// # Keys
//
// Keys that are given by URI are fetched when the Authenticator is made, and every five minutes. A token
// with an unknown key has them fetched at once, and waits, but there are ten seconds between two fetches
// whatever comes, and never two at a time. A fetch that fails, or brings anything but a key set, changes
// nothing: the last good keys count for a day. With none, every token is refused ([ErrNoKeys]). A key that the
// issuer withdraws counts until the next fetch. [Keys], shared by Authenticators, keep what was fetched across a reload.
//
// # What the handler sees
//
// The token is taken out of the header, the query or the cookies, unless the rule forwards it. Headers that
// rules write (OutputPayload, OutputClaims) are removed from every request first, so that nobody but the
// Authenticator can have written them.
//
// # Streams
//
// A call whose answer runs on (a gRPC stream, any HTTP answer) is ended when its token expires, with [ErrExpired]:
// its context ends, a stream's handler that waits for a message gets the error, and a connection that an HTTP handler has
// taken over is closed. A handler that heeds none of this runs on.
//
// # Limits
//
// A bearer token is whoever's who has it: serve over TLS. Tokens are not looked up for revocation. The
// keys' address is not found by OpenID discovery; a rule says it. A browser's CORS preflight has no token
// and goes through, as any call without; one that has a token is held to it, which Istio does not do. One that a
// VirtualService's corsPolicy answers does not come here.
package jwt
