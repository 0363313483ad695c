// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import "time"

// Status is how the certificate of a process stands: what a metric, a status page and a
// readiness probe want to know. The zero Status is that of a process that has none yet.
type Status struct {
	ID                  ID
	NotBefore, NotAfter time.Time // of the certificate in force
	Since               time.Time // when it was seen in force first
	Rotations           uint64    // certificates that followed the first
	Failures            uint64    // times that Err has become an error, or another one
	Err                 error     // why there is no newer certificate, or none; nil: all is well
}

// Left is how long the certificate is good, from now on; negative once it has ended.
func (s Status) Left(now time.Time) time.Duration { return s.NotAfter.Sub(now) }

// Share is which part of the certificate's life is left, in [0,1]; 0 without one.
func (s Status) Share(now time.Time) float64 {
	life := s.NotAfter.Sub(s.NotBefore)
	if life <= 0 {
		return 0
	}
	return min(max(float64(s.Left(now))/float64(life), 0), 1)
}
