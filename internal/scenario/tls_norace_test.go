// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package scenario_test

// yardCalls is how many calls a second a yard has in a short run.
const yardCalls = 200
