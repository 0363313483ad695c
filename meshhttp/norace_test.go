// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package meshhttp_test

// raceEnabled says that the race detector adds allocations of its own.
const raceEnabled = false
