// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package route_test

// raced: the race detector makes a sync.Pool lose what it holds, at random.
const raced = true
