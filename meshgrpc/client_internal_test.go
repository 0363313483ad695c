// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"testing"
	"time"
)

// The pauses between failures to connect, by grpc's rule: the first has no jitter.
func TestConnectBackoff(t *testing.T) {
	b := connectBackoff
	for n, pause := 0, float64(b.BaseDelay); n < 20; n, pause = n+1, min(pause*b.Multiplier, float64(b.MaxDelay)) {
		least, most := time.Duration(pause*(1-b.Jitter)), time.Duration(pause*(1+b.Jitter))
		if n == 0 {
			least, most = b.BaseDelay, b.BaseDelay
		}
		if least < time.Second || most > 4*time.Second {
			t.Errorf("after failure %d a pause of %v to %v, want between 1 s and 4 s", n+1, least, most)
		}
	}
}
