// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package consultest

import "syscall"

// freeze stops the process where it stands: its connections stay open and silent.
func (p *process) freeze() error { return p.proc.Signal(syscall.SIGSTOP) }

// thaw lets a frozen process go on.
func (p *process) thaw() error { return p.proc.Signal(syscall.SIGCONT) }

// terminate asks the process to end.
func (p *process) terminate() error { return p.proc.Signal(syscall.SIGTERM) }
