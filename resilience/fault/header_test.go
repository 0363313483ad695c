// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/fault"
)

// suffer makes a call with these headers, and returns how long it took, the status that
// the caller sees (0: the far side's success) and the code.
func suffer(t *testing.T, m enmesh.Middleware, headers map[string]string) (took time.Duration, status int, code enmesh.Code) {
	t.Helper()
	begin := time.Now()
	w := enmeshtest.NewWire()
	w.Call().Header = enmeshtest.Header{}
	for k, v := range headers {
		w.Call().Header.Set(k, v)
	}
	err := w.Do(t.Context(), enmesh.Fixed(false, m))
	if r := w.Call().ReplyFor(err); r != nil {
		status = r.Status
	}
	w.Finish(nil)
	return time.Since(begin), status, enmesh.CodeOf(err)
}

func TestFault_onlyForCallsWithAHeader(t *testing.T) {
	gated := mustNew(t, fault.Config{AbortStatus: 503, AbortPPM: fault.Million, Header: "x-chaos", HeaderValue: "yes"})
	named := mustNew(t, fault.Config{AbortStatus: 503, AbortPPM: fault.Million, Header: "x-chaos"})
	for _, tt := range []struct {
		value        string
		gated, named int
	}{{"", 0, 0}, {"no", 0, 503}, {"yes", 503, 503}} {
		headers := map[string]string{}
		if tt.value != "" {
			headers["X-Chaos"] = tt.value
		}
		if _, got, _ := suffer(t, gated, headers); got != tt.gated {
			t.Errorf("%q for a value: status %d, want %d", tt.value, got, tt.gated)
		}
		if _, got, _ := suffer(t, named, headers); got != tt.named {
			t.Errorf("%q for a name: status %d, want %d", tt.value, got, tt.named)
		}
	}
}

func TestFault_headersAsk(t *testing.T) {
	half := func(uint32) uint32 { return 500_000 - 1 } // hits a share of a half and above
	all := fault.Config{DelayPPM: fault.Million, AbortPPM: fault.Million, FromHeaders: true}
	tests := []struct {
		name    string
		cfg     fault.Config
		headers map[string]string
		took    time.Duration
		status  int
		code    enmesh.Code
	}{
		{"nothing asked", all, nil, 0, 0, enmesh.OK},
		{"not allowed", fault.Config{Delay: time.Second, DelayPPM: fault.Million}, map[string]string{
			"x-envoy-fault-delay-request": "5", "x-envoy-fault-abort-request": "500", "x-envoy-fault-delay-request-percentage": "0",
		}, time.Second, 0, enmesh.OK},
		{"delay", all, map[string]string{"x-envoy-fault-delay-request": "250"}, 250 * time.Millisecond, 0, enmesh.OK},
		{"delay, bounded", all, map[string]string{"x-envoy-fault-delay-request": "3600000"}, time.Second, 0, enmesh.OK},
		{"delay, bounded by MaxDelay", fault.Config{DelayPPM: fault.Million, FromHeaders: true, MaxDelay: time.Minute},
			map[string]string{"x-envoy-fault-delay-request": "3600000"}, time.Minute, 0, enmesh.OK},
		{"delay, huge", all, map[string]string{"x-envoy-fault-delay-request": "99999999999999999999"}, 0, 0, enmesh.OK},
		{"delay, garbage", all, map[string]string{"x-envoy-fault-delay-request": "-1s"}, 0, 0, enmesh.OK},
		{"abort", all, map[string]string{"x-envoy-fault-abort-request": "418"}, 0, 418, enmesh.Unknown},
		{"abort, out of range", all, map[string]string{"x-envoy-fault-abort-request": "999"}, 0, 0, enmesh.OK},
		{"abort by code", all, map[string]string{"x-envoy-fault-abort-grpc-request": "8"}, 0, 429, enmesh.ResourceExhausted},
		{"abort by no code", all, map[string]string{"x-envoy-fault-abort-grpc-request": "17"}, 0, 0, enmesh.OK},
		{"share lowered", all, map[string]string{"x-envoy-fault-abort-request": "500", "x-envoy-fault-abort-request-percentage": "49"}, 0, 0, enmesh.OK},
		{"share lowered less", all, map[string]string{"x-envoy-fault-abort-request": "500", "x-envoy-fault-abort-request-percentage": "50"}, 0, 500, enmesh.Unknown},
		{"share not raised", fault.Config{AbortPPM: 10_000, FromHeaders: true},
			map[string]string{"x-envoy-fault-abort-request": "500", "x-envoy-fault-abort-request-percentage": "100"}, 0, 0, enmesh.OK},
		{"instead of what is configured", fault.Config{AbortStatus: 503, AbortPPM: fault.Million, FromHeaders: true},
			map[string]string{"x-envoy-fault-abort-request": "404"}, 0, 404, enmesh.Unimplemented},
		{"as configured", fault.Config{AbortStatus: 503, AbortPPM: fault.Million, FromHeaders: true}, nil, 0, 503, enmesh.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took, status, code := suffer(t, mustNew(t, tt.cfg, fault.Draw(half)), tt.headers)
				if took != tt.took || status != tt.status || code != tt.code {
					t.Errorf("after %v status %d, %v; want %v, %d, %v", took, status, code, tt.took, tt.status, tt.code)
				}
			})
		})
	}
}

func TestFault_boundsWhatIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustNew(t, fault.Config{Delay: time.Second, DelayPPM: fault.Million, MaxActive: 3})
		var mu sync.Mutex
		delayed := 0
		burst := func() {
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if i%2 == 0 {
						time.AfterFunc(500*time.Millisecond, cancel) // it ends its delay
					}
					begin := time.Now()
					w := enmeshtest.NewWire()
					_ = w.Do(ctx, enmesh.Fixed(false, m))
					w.Finish(nil)
					mu.Lock()
					defer mu.Unlock()
					if time.Since(begin) > 0 {
						delayed++
					}
				})
			}
			wg.Wait()
		}
		burst()
		burst() // every place is free again
		if delayed != 6 {
			t.Errorf("%d of 20 calls were delayed, want 3 and 3", delayed)
		}
	})
}

func TestFault_inShadowDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &enmeshtest.Recorder{}
		m := mustNew(t, fault.Config{
			Delay: time.Hour, DelayPPM: fault.Million, AbortStatus: 503, AbortPPM: fault.Million, Shadow: true, Recorder: r,
		})
		took, status, _ := suffer(t, m, nil)
		got := r.Decisions()
		if took != 0 || status != 0 || len(got) != 2 || got[0].Action != enmesh.ActionDelay || got[1].Action != enmesh.ActionReplace || !got[0].Shadow {
			t.Errorf("took %v, status %d, recorded %v; want nothing done, and a delay and an answer recorded", took, status, got)
		}
	})
}

func FuzzFault_headers(f *testing.F) {
	f.Add("100", "503", "8", "50")
	f.Add("-1", "1e3", "0", "200")
	f.Fuzz(func(t *testing.T, delay, abort, code, percent string) {
		synctest.Test(t, func(t *testing.T) {
			m := mustNew(t, fault.Config{DelayPPM: fault.Million, AbortPPM: fault.Million, FromHeaders: true, MaxDelay: time.Minute})
			w := enmeshtest.NewWire()
			w.Call().Header = enmeshtest.Header{
				"X-Envoy-Fault-Delay-Request": {delay}, "X-Envoy-Fault-Abort-Request": {abort},
				"X-Envoy-Fault-Abort-Grpc-Request": {code}, "X-Envoy-Fault-Abort-Request-Percentage": {percent},
			}
			begin := time.Now()
			err := w.Do(t.Context(), enmesh.Fixed(false, m))
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("delayed by %v, want at most a minute", took)
			}
			if err != nil && !errors.Is(err, fault.ErrAborted) {
				t.Errorf("the call ends with %v", err)
			}
			if n, bad := strconv.Atoi(abort); bad == nil && n == 503 && code == "" && percent == "" && err == nil {
				t.Error("the abort that was asked for did not come")
			}
			w.Finish(nil)
		})
	})
}
