// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "time"

// machineUsage is not known on this system: nobody else seems to work.
func machineUsage() (time.Duration, error) { return 0, nil }
