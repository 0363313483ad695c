// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/resilience/retry"
)

func TestParseOn(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{" , ,", ""},
		{"5xx", "5xx"},
		{"503,5xx , 429,503", "5xx,429,503"},
		{"unavailable,connect-failure", "connect-failure,unavailable"},
		{"connect-failure,refused-stream,unavailable,cancelled", retry.DefaultOn().String()},
		{"100,599", "100,599"},
		{
			"unavailable,resource-exhausted,internal,deadline-exceeded,cancelled,http3-post-connect-failure," +
				"retriable-headers,retriable-status-codes,envoy-ratelimited,retriable-4xx,refused-stream," +
				"connect-failure,reset-before-request,reset,gateway-error,5xx",
			"5xx,gateway-error,reset,reset-before-request,connect-failure,refused-stream,retriable-4xx," +
				"envoy-ratelimited,retriable-status-codes,retriable-headers,http3-post-connect-failure," +
				"cancelled,deadline-exceeded,internal,resource-exhausted,unavailable",
		},
	}
	for _, tt := range tests {
		on, err := retry.ParseOn(tt.in)
		if err != nil {
			t.Errorf("ParseOn(%q): %v", tt.in, err)
		}
		if got := on.String(); got != tt.want {
			t.Errorf("ParseOn(%q) is %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestParseOn_refuses(t *testing.T) {
	for _, in := range []string{"5XX", "timeout", "99", "600", "0503", "+50", "-503", "5xx;503", "unavailable cancelled"} {
		if on, err := retry.ParseOn(in); err == nil {
			t.Errorf("ParseOn(%q) is %q, want an error", in, on)
		} else if !strings.HasPrefix(err.Error(), "retry: ") {
			t.Errorf("ParseOn(%q): error %q does not name the package", in, err)
		}
	}
}

func FuzzParseOn(f *testing.F) {
	for _, seed := range []string{"", "5xx,gateway-error,503", "connect-failure , refused-stream,unavailable,cancelled", "100,599,600", "retriable-4xx,,409", ",", "5xx\x00", "٥٠٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		on, err := retry.ParseOn(in)
		if err != nil {
			if on != (retry.On{}) {
				t.Errorf("ParseOn(%q) failed, but gave %q", in, on)
			}
			return
		}
		again, err := retry.ParseOn(on.String())
		if err != nil || again != on {
			t.Errorf("ParseOn(%q) is %q, which reads as %q, %v", in, on, again, err)
		}
	})
}
