// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
)

func TestStatus(t *testing.T) {
	limited := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Flag: enmesh.FlagRateLimited}
	for _, tt := range []struct {
		name     string
		protocol enmesh.Protocol
		answer   int
		err      error
		want     int
		flag     enmesh.Flag
		failed   bool
	}{
		{"an answer", enmesh.HTTP, 201, nil, 201, "", false},
		{"a success without a status", enmesh.HTTP, 0, nil, 200, "", false},
		{"an answer that is an error", enmesh.HTTP, 503, errBusy, 503, "", true},
		{"an answer cut short", enmesh.HTTP, 200, errBusy, 200, "", true},
		{"a refusal with a status", enmesh.HTTP, 0, errBusy, 503, "", true},
		{"a refusal with a code", enmesh.HTTP, 0, limited, 429, "RL", true},
		{"the caller went away", enmesh.HTTP, 0, enmesh.ErrCanceled, 0, "DC", false},
		{"a plain cancellation", enmesh.HTTP, 0, context.Canceled, 0, "DC", false},
		{"the caller's deadline", enmesh.HTTP, 0, context.DeadlineExceeded, 504, "UT", true},
		{"a foreign error", enmesh.HTTP, 0, errors.New("foreign"), 500, "", true},
		{"gRPC refused", enmesh.GRPC, 0, limited, 200, "RL", true},
		{"gRPC failed", enmesh.GRPC, 200, errBusy, 200, "", true},
		{"gRPC, the caller went away", enmesh.GRPC, 0, enmesh.ErrCanceled, 0, "DC", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &enmesh.Call{Protocol: tt.protocol}
			c.Answer.Status = tt.answer
			if got := telemetry.Status(enmesh.Result{Call: c, Err: tt.err}); got != tt.want {
				t.Errorf("status %d, want %d", got, tt.want)
			}
			if got := telemetry.FlagOf(tt.err); got != tt.flag {
				t.Errorf("flag %q, want %q", got, tt.flag)
			}
			if got := telemetry.Failed(tt.err); got != tt.failed {
				t.Errorf("failed is %v, want %v", got, tt.failed)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	for flags, want := range map[enmesh.Flag]enmesh.Flag{
		"": "DI", "UH": "UH,DI", "UT": "UT,DI", "UF,URX": "UF,DI,URX", "FI": "DI,FI", "RL": "DI,RL", "DC": "DI,DC", "URX": "DI,URX",
		"UH,UF,RL,URX": "UH,UF,DI,RL,URX", "own": "DI,own", // made for the call
	} {
		var err error
		if flags != "" {
			err = &enmesh.Error{Code: enmesh.Unavailable, Flag: flags}
		}
		c := &enmesh.Call{}
		r := enmesh.Result{Call: c, Err: err}
		if got := telemetry.Flags(r); got != flags {
			t.Errorf("not delayed: got %q, want %q", got, flags)
		}
		c.MarkDelayed()
		if got := telemetry.Flags(r); got != want || !c.Delayed() {
			t.Errorf("%q, delayed: got %q, want %q", flags, got, want)
		}
		if n := testing.AllocsPerRun(100, func() { telemetry.Flags(r) }); n != 0 && strings.Count(string(flags), ",") < 2 && flags != "own" {
			t.Errorf("%q costs %v allocations", flags, n)
		}
	}
	if got := telemetry.Flags(enmesh.Result{}); got != "" {
		t.Errorf("without a call: got %q", got)
	}
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestTraceID(t *testing.T) {
	for value, want := range map[string]string{
		parent:          "0af7651916cd43dd8448eb211c80319c",
		parent + "-new": "0af7651916cd43dd8448eb211c80319c",
		"":              "",
		parent[:54]:     "",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": "",
		strings.ToUpper(parent):                                   "",
		strings.Replace(parent, "-", "_", 2):                      "",
	} {
		if got := telemetry.TraceID(enmeshtest.Header{"Traceparent": {value}}); got != want {
			t.Errorf("trace id of %q is %q, want %q", value, got, want)
		}
	}
	if got := telemetry.TraceID(nil); got != "" {
		t.Errorf("trace id of no header is %q", got)
	}
}

func FuzzTraceID(f *testing.F) {
	f.Add(parent)
	f.Add("00-00000000000000000000000000000000-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, value string) {
		id := telemetry.TraceID(enmeshtest.Header{"Traceparent": {value}})
		if id == "" {
			return
		}
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || strings.Trim(id, "0") == "" {
			t.Errorf("trace id of %q is %q", value, id)
		}
	})
}
