// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package fault delays and aborts a share of the calls, to see what happens then.
package fault
