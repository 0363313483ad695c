// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

// Random has the jitter drawn from a source of the test's choice.
func Random(source func() uint64) Option { return func(d *Detector) { d.random = source } }
