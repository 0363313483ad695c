// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// Files are what the snapshot was made of: what a process keeps to start with when the sources
// are out of reach. Their Data is not to be written.
func (s *Snapshot) Files() []File { return slices.Clone(s.files) }
