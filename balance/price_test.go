// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
)

func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if math.Abs(float64(got-want)) > 0.002*float64(want) {
		t.Errorf("%s = %v, want %v within 0.2%%", what, got, want)
	}
}

func TestLatency_peaksAtOnceAndFadesOverTenSeconds(t *testing.T) {
	const ms = time.Millisecond
	e := endpoints(1, nil)[0]
	at := enmesh.Now()
	serve(t, e, at, 10*ms, nil)
	near(t, "first sample", e.Latency(), 10*ms)
	serve(t, e, at.Add(100*ms), 30*ms, nil)
	near(t, "a higher sample", e.Latency(), 30*ms)
	// 10 s later a sample of 10 ms leaves 1/e of the 30 and takes the rest of itself.
	kept := math.Exp(-1)
	serve(t, e, at.Add(10*time.Second+120*ms), 10*ms, nil)
	near(t, "a lower sample after 10 s", e.Latency(), time.Duration(30*kept*float64(ms)+10*(1-kept)*float64(ms)))
	serve(t, e, at.Add(10*time.Second+120*ms), 10*ms, nil)
	near(t, "a lower sample in the same instant", e.Latency(), time.Duration(30*kept*float64(ms)+10*(1-kept)*float64(ms)))
}

func TestLatency_peaksThatNothingConfirmsFadeSooner(t *testing.T) {
	const ms = time.Millisecond
	kept := math.Exp(-1)
	want := time.Duration(90*kept*float64(ms) + 10*(1-kept)*float64(ms))

	e := endpoints(1, nil)[0]
	at := enmesh.Now()
	serve(t, e, at, 90*ms, nil)
	serve(t, e, at.Add(80*ms+625*ms), 10*ms, nil)
	near(t, "a ninth of the peak, 625 ms after it", e.Latency(), want)
	serve(t, e, at.Add(80*ms+1250*ms), 90*ms, nil)
	near(t, "the peak again", e.Latency(), 90*ms)

	// What a failure made fades over the whole 10 s, and is not doubted after a part of it has.
	e = endpoints(1, nil)[0]
	serve(t, e, at, 22500*time.Microsecond, nil)
	serve(t, e, at.Add(22*ms), 500*time.Microsecond, errServer)
	near(t, "after a failure", e.Latency(), 90*ms)
	serve(t, e, at.Add(12*ms+10*time.Second), 10*ms, nil)
	near(t, "a ninth of what a failure made, 10 s after it", e.Latency(), want)
	serve(t, e, at.Add(12*ms+20*time.Second), 10*ms, nil)
	near(t, "10 s later again", e.Latency(), time.Duration(float64(want)*kept+10*(1-kept)*float64(ms)))
}

func TestLatency_failuresCostMoreAndMore(t *testing.T) {
	const ms = time.Millisecond
	e := endpoints(1, nil)[0]
	at := enmesh.Now()
	serve(t, e, at, 10*ms, nil)
	want := 10 * ms
	for range 4 {
		at = at.Add(ms)
		serve(t, e, at, 0, errServer)
		want *= 4
		near(t, "after a failure", e.Latency(), want)
	}
	for range 4 {
		serve(t, e, at, 0, errServer)
	}
	near(t, "after many failures", e.Latency(), 5*time.Second)
	serve(t, e, at, 9*time.Second, errServer)
	near(t, "after a timeout", e.Latency(), 9*time.Second)
	serve(t, e, at.Add(9*time.Second), 0, errServer)
	near(t, "after a failure on top", e.Latency(), 9*time.Second)
}

func TestLatency_survivesRaces(t *testing.T) {
	e := endpoints(1, nil)[0]
	at := enmesh.Now()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				serve(t, e, at.Add(time.Duration(i)*time.Millisecond), time.Duration(1+g)*time.Millisecond, nil)
			}
		})
	}
	wg.Wait()
	if got := e.Latency(); got < time.Millisecond || got > 4*time.Millisecond {
		t.Errorf("latency = %v, want between the samples, 1ms to 4ms", got)
	}
	if got := e.InFlight(); got != 0 {
		t.Errorf("in flight = %d, want 0", got)
	}
}
