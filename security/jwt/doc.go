// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package jwt finds out on whose behalf a call is made, from a token that the call brings.
package jwt
