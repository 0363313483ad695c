// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package longpoll follows something on a server of blocking queries, as Consul has them: a
// query that names the index it knows is answered when there is a newer one, or when its
// wait has passed.
//
//	loop, err := longpoll.New(longpoll.Config{}, func(ctx context.Context, q longpoll.Query) (longpoll.Answer, error) {
//		...ask, blocking for q.Wait beyond q.Index...
//		return longpoll.Answer{Index: meta.LastIndex, Changed: differs}, nil
//	})
//	...
//	loop.Run(ctx)
//
// # Rules
//
// An index that goes backwards is not kept: the state is asked for anew. Where there is none,
// the loop asks as often as Config.Blind allows, since nothing would block. That a query
// returned does not mean that anything has changed: the function says whether it has, and
// answers that bring nothing spend a token bucket. Failures are waited after with full
// jitter; the index is kept where the server was there and had no answer, and is
// forgotten where the connection broke, since another server may answer next.
package longpoll
