// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

import (
	"context"
	"errors"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience"
)

func TestOn_reads(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{" 503 , failure,,unavailable", "failure,unavailable,503"},
		{"5xx,no-answer,refused", "refused,no-answer,5xx"},
		{"resource-exhausted,429", "resource-exhausted,429"},
		{"599,100,100", "100,599"},
	} {
		o, err := resilience.ParseOn(tt.in)
		if err != nil || o.String() != tt.want {
			t.Errorf("ParseOn(%q) is %q, %v; want %q", tt.in, o, err, tt.want)
		}
		if again, err := resilience.ParseOn(o.String()); err != nil || again != o {
			t.Errorf("ParseOn(%q) is %q, %v; want it the same", o, again, err)
		}
	}
	for _, bad := range []string{"ok", "UNAVAILABLE", "99", "600", "0503", "+50", "resource_exhausted ", "nonsense"} {
		if o, err := resilience.ParseOn(bad); err == nil {
			t.Errorf("ParseOn(%q) is %q, want an error", bad, o)
		}
	}
}

func TestOn_has(t *testing.T) {
	far := func(status int) error {
		code := enmesh.CodeOfStatus(status)
		return &enmesh.Error{Code: code, Outcome: enmesh.OutcomeOfCode(code), Status: status}
	}
	refused := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Policy: "breaker", Flag: enmesh.FlagOverflow}
	reset := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: enmesh.FlagConnectionEnded}
	slow := &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Policy: "timeout", Flag: enmesh.FlagTimeout}
	used := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Flag: enmesh.FlagRetriesExhausted}
	tests := []struct {
		on   string
		err  error
		want bool
	}{
		{"failure,refused,no-answer,5xx,unknown", nil, false},
		{"", far(503), false},
		{"failure", far(503), true},
		{"failure", far(400), false},
		{"failure", errors.New("foreign"), true},
		{"failure", context.Canceled, false},
		{"failure", refused, false},
		{"failure", slow, true},
		{"refused", refused, true},
		{"503,unavailable,5xx", refused, false},
		{"no-answer", reset, true},
		{"no-answer", slow, true},
		{"no-answer", enmesh.ErrDeadline, false},
		{"no-answer", far(503), false},
		{"unavailable,5xx", reset, false},
		{"5xx", far(500), true},
		{"5xx", far(429), false},
		{"429", far(429), true},
		{"resource-exhausted", far(429), true},
		{"unavailable", far(503), true},
		{"unavailable", used, true},
		{"unavailable", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure}, true},
	}
	for _, tt := range tests {
		o := resilience.MustOn(tt.on)
		if got := o.Has(tt.err); got != tt.want {
			t.Errorf("%q has %v: %v, want %v", tt.on, tt.err, got, tt.want)
		}
	}
	o := resilience.MustOn("failure,unavailable,503")
	err := far(503)
	if n := testing.AllocsPerRun(100, func() { o.Has(err) }); n != 0 {
		t.Errorf("Has allocates %v times, want 0", n)
	}
}

func TestOn_knowsTheCallersOwnFaults(t *testing.T) {
	if got := resilience.MustOn("failure,unavailable,not-found,503,404,200,429").Blames().String(); got != "not-found,200,404" {
		t.Errorf("the caller's own are %q, want not-found,200,404", got)
	}
}

func FuzzParseOn(f *testing.F) {
	f.Add("5xx,failure,503")
	f.Add("resource-exhausted, 429 ,")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := resilience.ParseOn(s)
		if err != nil {
			return
		}
		if again, err := resilience.ParseOn(o.String()); err != nil || again != o {
			t.Errorf("ParseOn(%q) is %q, and that reads as %q, %v", s, o, again, err)
		}
	})
}
