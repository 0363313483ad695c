// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package limit admits calls at a rate and refuses the rest.
//
// [TokenBucket] lets a burst go and then a steady rate. On a server it protects the
// program, on a client its neighbours:
//
//	bucket, err := limit.NewTokenBucket(limit.Config{Rate: 100, Burst: 20})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(false, bucket.Middleware())
//
// A refused call has gone nowhere. Its error is [ErrLimited], reads as 429 or
// RESOURCE_EXHAUSTED, and says when to come back, which adapters write out on a
// server as Retry-After or as gRPC's pushback.
//
// A limit is one process's own. It counts calls, retries only if it stands inside
// the retry. To bound how many run at once, use package concurrency.
package limit
