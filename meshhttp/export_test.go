// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

// IdleOf reads Keep-Alive.
var IdleOf = idleOf
