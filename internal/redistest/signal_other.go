// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package redistest

import (
	"errors"
	"os"
)

func freeze(*os.Process) error { return errors.ErrUnsupported }

func thaw(*os.Process) error { return errors.ErrUnsupported }
