// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package authz decides which calls a server takes, by the rules of Istio's
// AuthorizationPolicy.
package authz
