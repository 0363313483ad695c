// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package spiretest

import "os/exec"

// bindToParent does nothing: only Linux can do it.
func bindToParent(*exec.Cmd) {}
