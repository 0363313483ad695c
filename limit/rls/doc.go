// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package rls asks Envoy's global rate limit service about calls, so that an existing
// envoyproxy/ratelimit, or any other server of envoy.service.ratelimit.v3, limits programs
// without a proxy and with one alike.
//
//	conn, err := grpc.NewClient("ratelimit:8081", grpc.WithTransportCredentials(credentials))
//	if err != nil {
//		return err
//	}
//	limiter, err := rls.New(conn, rls.Config{Domain: "shop"},
//		rls.Descriptor{rls.RequestHeader{Name: "x-user", Key: "user"}},
//		rls.Descriptor{rls.GenericKey{Value: "reviews"}, rls.RemoteAddress{}},
//	)
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(false, limiter.Middleware())
//
// A [Descriptor] is a list of actions with Envoy's names and meaning; each makes an entry, and
// the service's own configuration says which descriptors have which limit. A call is
// refused when one of its descriptors is over its limit. The refusal reads as 429 or
// RESOURCE_EXHAUSTED, carries the headers that the service gives, and says when the limit
// begins anew; [limit.ErrLimited] is found in it.
//
// # When the service does not answer
//
// Every call costs a round trip, and waits at most 20 ms for it. Without an answer it goes
// through, as in Envoy, or is refused with [Config].Deny; the [Config].Recorder hears of
// both. A service that hangs makes every call wait that long: where that is too dear, use
// package redislimit, which asks ahead.
//
// # What differs from Envoy
//
// The remote address is the connection's, without a look at X-Forwarded-For. A value longer
// than 4096 bytes is cut, and what is not UTF-8 in it replaced: else a caller could choose
// one that cannot be asked about, and so escape the limit. Only that is sent to the service
// which the descriptors say: no metadata of the call.
//
// [limit.ErrLimited]: https://pkg.go.dev/github.com/enmesh-go/enmesh/limit#ErrLimited
package rls
