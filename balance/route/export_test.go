// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

// SetDraw replaces what decides which calls are mirrored.
func SetDraw(m *Mirror, draw func(n uint32) uint32) { m.draw = draw }

// PickFrom is s.Pick with a number of the test's own.
func PickFrom(s *Split, random uint64) int { return s.at(random) }
