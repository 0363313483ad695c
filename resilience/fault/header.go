// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"strconv"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Envoy's headers by which a call asks for faults.
const (
	headerDelay        = "X-Envoy-Fault-Delay-Request"
	headerDelayPercent = "X-Envoy-Fault-Delay-Request-Percentage"
	headerAbort        = "X-Envoy-Fault-Abort-Request"
	headerAbortGRPC    = "X-Envoy-Fault-Abort-Grpc-Request"
	headerAbortPercent = "X-Envoy-Fault-Abort-Request-Percentage"
)

// wish is the faults that a call may meet, and their shares.
type wish struct {
	delay    time.Duration
	delayPPM uint32
	abort    abort
	abortPPM uint32
}

// read takes over what the headers ask for. What cannot be read is not there.
func (w *wish) read(h enmesh.Header, longest time.Duration) {
	if ms, ok := number(h.Get(headerDelay), uint64(longest/time.Millisecond)); ok {
		w.delay = min(time.Duration(ms)*time.Millisecond, longest)
	}
	if n, ok := number(h.Get(headerAbort), 999); ok && n >= 200 && n <= 599 {
		w.abort = statusAbort(int(n))
	}
	if n, ok := number(h.Get(headerAbortGRPC), 99); ok && n >= 1 && n <= uint64(enmesh.Unauthenticated) {
		w.abort = codeAbort(enmesh.Code(n))
	}
	w.delayPPM = lowered(w.delayPPM, h.Get(headerDelayPercent))
	w.abortPPM = lowered(w.abortPPM, h.Get(headerAbortPercent))
}

// lowered is ppm, or the percentage that is written if that is less.
func lowered(ppm uint32, written string) uint32 {
	percent, ok := number(written, 100)
	if !ok {
		return ppm
	}
	return min(ppm, uint32(percent)*(Million/100))
}

// number reads digits; what is above limit is limit.
func number(s string, limit uint64) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return min(n, limit), err == nil
}
