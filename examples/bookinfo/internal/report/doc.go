// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package report tells what the mesh does: as a live table on a terminal, and as one
// JSON object at the end.
package report
