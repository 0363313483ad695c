// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package affinity gives calls the key by which a consistent hash picks their endpoint.
//
// # The problem
//
// Some services answer better when the same user, session or document comes to the same
// instance each time: its caches are warm, its locks are its own. A consistent hash
// (balance.RingHash, balance.Maglev) keeps a key with its endpoint; something has to say
// what the key of a call is.
//
// # The model
//
// Each function here makes a middleware that sets [enmesh.Call.Key] from one attribute of
// the call, as consistentHash in Istio's DestinationRule has them: a header, a cookie, a
// query parameter, the address of the caller.
//
//	session, err := affinity.Cookie(affinity.CookieConfig{Name: "session", Path: "/", Generate: true})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(true, again, session)
//	source := balance.NewStaticSource(services, balance.Maglev(balance.MaglevConfig{}))
//	client := &http.Client{Transport: meshhttp.NewTransport(nil, router, source), Jar: jar}
//
// The key is [KeyOf] of the attribute's value: the same value has the same key in every
// process and version. Where the attribute is missing, the call keeps the key that it
// has, which is usually none: then it goes to a random endpoint, as in Envoy.
//
// # Where it stands
//
// In a client's chain, anywhere above the pick, once per call; outside a retry, so that all attempts have one
// key. A retry goes to the next endpoint in the key's order, not to one that failed.
//
// # Limits
//
// There is one attribute: Istio has exactly one, and Envoy's list of several with
// "terminal" is not needed for it. Of two of these middlewares the inner one decides where
// both find a value. Affinity is soft: when endpoints come and go, some keys move.
package affinity
