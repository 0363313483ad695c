// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package mtls_test

import "time"

// mostWork is how long looking into a bad certificate may take.
const mostWork = 50 * time.Millisecond
