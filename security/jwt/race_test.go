// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package jwt_test

// raceEnabled: the race detector allocates, and its pools forget.
const raceEnabled = true
