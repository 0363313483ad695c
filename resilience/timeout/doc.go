// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package timeout bounds how long a call, or one attempt of it, may take.
package timeout
