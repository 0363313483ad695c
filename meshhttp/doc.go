// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package meshhttp runs enmesh's chains on net/http: a Transport for clients and a
// Handler for servers.
package meshhttp
