// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package consultest

import "errors"

// freeze is for systems with signals.
func (p *process) freeze() error { return errors.ErrUnsupported }

// thaw is for systems with signals.
func (p *process) thaw() error { return errors.ErrUnsupported }

// terminate is for systems with signals.
func (p *process) terminate() error { return errors.ErrUnsupported }
