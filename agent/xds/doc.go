// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package xds serves resources to gRPC's xDS clients and servers. It knows no policy: what
// there is, a [Catalog] says.
package xds
