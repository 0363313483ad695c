// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package fallback answers in place of a far side that fails: with the answer of another
// destination, with the last good answer, with what a function says, or with what is
// configured.
//
// A page without its recommendations is better than none. What can be left out is the
// program's to know; that it is left out in the same way whether the far side is slow,
// gone, or refused by a breaker is what this package is for.
//
//	spare, err := fallback.New(fallback.Config{
//		Cache:  fallback.Cache{On: true, MaxAge: time.Minute},
//		Static: fallback.Static{Status: 200, ContentType: "application/json", Body: `{"reviews":[]}`},
//	})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(true, timeout.Overall(2*time.Second), spare, again, trip.Middleware())
//
// It stands inside the deadline and outside throttle, hedge, retry and breaker, so that
// it makes up for what they refuse, too. The caller's own faults are answers and are
// never replaced; nor is anything for a caller who has gone. An answer says what it is in
// the header [Header].
//
// # Limits
//
// A call goes to another destination only where sending it twice is safe. An answer that
// has begun is not replaced when it breaks. Streams of gRPC have another destination
// alone, since there is no place for a made-up message. Servers have functions and fixed
// answers alone, in place of what their own chain refuses and not of what handlers answer.
// The cache is of one process and lasts as long as the middleware.
package fallback
