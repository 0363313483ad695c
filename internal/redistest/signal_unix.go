// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package redistest

import (
	"os"
	"syscall"
)

func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func thaw(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
