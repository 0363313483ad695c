// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package redistest

import "os/exec"

// bindToParent is for Linux.
func bindToParent(*exec.Cmd) {}
