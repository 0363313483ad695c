// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package enmesh is the protocol-neutral core of a service mesh that is imported.
package enmesh
