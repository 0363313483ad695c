// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"math"
	"testing"
	"time"
	"unsafe"
)

func TestRecordSizes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  uintptr
		bound uintptr
	}{{"client", unsafe.Sizeof(exchange{}), 1152}, {"server", unsafe.Sizeof(served{}), 960}} {
		t.Logf("%s record: %d bytes", tt.name, tt.size)
		if tt.size > tt.bound {
			t.Errorf("%s record: %d bytes, at most %d: every call pays for it", tt.name, tt.size, tt.bound)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	for _, tt := range []struct {
		v    string
		want time.Duration
		ok   bool
	}{
		{"0", 0, true}, {"2", 2 * time.Second, true}, {" 120 ", 2 * time.Minute, true},
		{"99999999999999999999999999", maxRetryAfter, true},
		{"Fri, 02 Jan 2026 03:05:05 GMT", time.Minute, true},
		{"Friday, 02-Jan-26 03:05:05 GMT", time.Minute, true},
		{"Fri Jan  2 03:05:05 2026", time.Minute, true},
		{"Thu, 01 Jan 2026 03:05:05 GMT", 0, true},
		{"Fri, 02 Jan 2099 03:05:05 GMT", maxRetryAfter, true},
		{"-1", -1, true}, {"-99999999999999999999", -1, true}, {"-0", 0, true}, {"-", 0, false}, {"--1", 0, false}, {"-1.5", 0, false},
		{"", 0, false}, {"1.5", 0, false}, {"soon", 0, false}, {"+3", 0, false},
	} {
		if got, ok := parseRetryAfter(tt.v, now); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %v, %v; want %v, %v", tt.v, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseDigits(t *testing.T) {
	for v, want := range map[string]uint64{
		"7": 7, "18446744073709551615": math.MaxUint64, "18446744073709551616": math.MaxUint64, "184467440737095516150": math.MaxUint64,
	} {
		if got, ok := parseDigits(v); got != want || !ok {
			t.Errorf("%s: got %d, %v; want %d", v, got, ok, want)
		}
	}
}

func TestSplitAuthority(t *testing.T) {
	for _, tt := range []struct {
		in, host string
		port     uint16
	}{
		{"reviews", "reviews", 0}, {"reviews:9080", "reviews", 9080}, {"reviews.shop.svc:80", "reviews.shop.svc", 80},
		{"127.0.0.1", "127.0.0.1", 0}, {"127.0.0.1:80", "127.0.0.1", 80}, {"[::1]", "::1", 0}, {"[::1]:80", "::1", 80},
		{"", "", 0}, {"reviews:", "reviews:", 0}, {"reviews:99999", "reviews", 0}, {"v1", "v1", 0}, {"::1", "::1", 0},
	} {
		if host, port := splitAuthority(tt.in); host != tt.host || port != tt.port {
			t.Errorf("%q: got %q, %d; want %q, %d", tt.in, host, port, tt.host, tt.port)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, v := range []string{"0", "120", "Fri, 02 Jan 2026 03:05:05 GMT", "-1", "99999999999999999999"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		d, ok := parseRetryAfter(v, time.Now)
		if d < -1 || d > maxRetryAfter || !ok && d != 0 {
			t.Errorf("%q: got %v, %v", v, d, ok)
		}
	})
}

func FuzzReadDeadline(f *testing.F) {
	for _, v := range []string{"0", "1500", "-3", " 7 ", "1e3", "99999999999999999999", "0n"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		d, ok := readDeadline(v, DefaultMaxDeadline)
		if d < 0 || d > DefaultMaxDeadline || !ok && d != 0 {
			t.Errorf("%q: got %v, %v", v, d, ok)
		}
	})
}

func FuzzSplitAuthority(f *testing.F) {
	for _, v := range []string{"reviews", "reviews:80", "[::1]:80", "[::1]", "", ":", "[", "]", "a:b:c:1"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if host, _ := splitAuthority(v); len(host) > len(v) {
			t.Errorf("%q: got the longer host %q", v, host)
		}
	})
}
