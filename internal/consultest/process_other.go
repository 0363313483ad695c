// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package consultest

import "os/exec"

// bindToParent does nothing: only Linux can do it.
func bindToParent(*exec.Cmd) {}

// still does not know, and says so at once.
func (p *process) still() error { return nil }
