// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import (
	"errors"
	"time"
)

func usage() (time.Duration, error) {
	return 0, errors.New("bench: this system has no getrusage")
}
