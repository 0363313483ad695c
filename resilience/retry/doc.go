// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package retry makes an attempt again when that is safe and promises something.
package retry
