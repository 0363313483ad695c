// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package authz_test

// raceEnabled says that the race detector makes everything slow, and memory its own.
const raceEnabled = false
