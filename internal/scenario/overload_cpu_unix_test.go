// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package scenario_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// BenchmarkShed_tenfold is what P4 says of ten times the load: what is spent on the nine
// calls that are refused is at most 5 % of what the one that is served costs. A call of a
// service that two processors can serve 200 times a second costs 10 ms of one. Over a
// socket; what the client spends counts against the refusals, and is of this process too.
func BenchmarkShed_tenfold(b *testing.B) {
	const work, refused, most = 10 * time.Millisecond, 9, 5
	gate, err := shed.New(shed.Config{CPU: -1, InFlight: 1})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sum := byte(0)
		for from := spent(b); spent(b)-from < work; sum++ { // of processor time
			runtime.Gosched()
		}
		_, _ = w.Write([]byte{sum})
	}), enmesh.Fixed(false, shed.Receive(nil), enmesh.Guard(gate))))
	defer srv.Close()
	get := func(want int) {
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			b.Fatalf("status %d, want %d", resp.StatusCode, want)
		}
	}
	var serving, refusing time.Duration
	for b.Loop() {
		from := spent(b)
		get(http.StatusOK)
		served := spent(b)
		token, err := gate.Admit(b.Context(), &enmesh.Call{})
		if err != nil {
			b.Fatal(err)
		}
		for range refused {
			get(http.StatusServiceUnavailable)
		}
		gate.Done(token, enmesh.Result{})
		serving, refusing = serving+served-from, refusing+spent(b)-served
	}
	share := 100 * refusing.Seconds() / serving.Seconds()
	b.ReportMetric(share, "%-of-serving")
	b.ReportMetric(float64(refusing.Microseconds())/float64(refused*b.N), "us-cpu/refusal")
	if share > most {
		b.Errorf("nine refusals cost %.1f %% of a call that is served, want at most %d", share, most)
	}
}

// spent is the processor time of this process.
func spent(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
