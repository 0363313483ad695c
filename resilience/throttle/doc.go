// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package throttle refuses calls at the caller that the far side would refuse anyway.
//
// An overloaded server that says no still pays for saying it, and one that is asked much
// more than it can do does nothing else in the end. So its callers stop asking: each
// counts its calls and how many of them were accepted, and when it makes more than twice
// as many as are accepted it refuses the excess itself, by chance, with
//
//	max(0, (requests - K * accepted) / (requests + 1))
//
// as in "Site Reliability Engineering" (Beyer and others, 2016, chapter 21). The server
// then gets at most K calls for each that it can take, and learns by the rest that it
// can take more.
//
//	slow, err := throttle.New(throttle.Config{Window: 30 * time.Second})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(true, slow.Middleware(), again)
//
// It stands outside the retry, once for each service: it counts what is asked for, not
// attempts. Only answers that say "overloaded" count against the far side
// ([Config.Overloaded]): 429, 503, RESOURCE_EXHAUSTED, UNAVAILABLE. Calls that matter
// least are refused first: those that are Critical only when refusing all that are
// sheddable is not enough.
//
// What differs from the book: calls that have no answer yet count as those that have one,
// so that a caller can begin with many at once; a far side that accepts everything in
// the latest tenth of the window is believed at once; and one call in a second is sent
// whatever was answered, so that a recovery is found. In the window's first moments, or
// with few calls, nothing is refused.
//
// A Throttle is safe for concurrent use and holds state.
package throttle
