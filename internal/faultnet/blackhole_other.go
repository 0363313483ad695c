// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package faultnet

import "testing"

// Blackhole needs Linux: it skips the test.
func Blackhole(t testing.TB) string {
	t.Helper()
	t.Skip("faultnet: a full queue drops connections on Linux only")
	return ""
}
