// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package concurrency bounds how many calls run at once.
//
// What a program can bear is a number of calls in its memory, not a rate: when the
// calls slow down, a rate limit lets them pile up, and this does not.
//
//	gate, err := concurrency.NewFixed(concurrency.Config{Max: 200})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(false, enmesh.Guard(gate))
//
// A call that is one too many is refused at once; nothing queues. The refusal is
// [ErrFull] and, unless set otherwise, [ErrOverflow] on a client and [ErrExhausted] on a
// server.
package concurrency
