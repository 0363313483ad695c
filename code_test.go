// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
)

func TestCodeOfStatus_outcomes(t *testing.T) {
	for _, tt := range []struct {
		status  int
		code    enmesh.Code
		outcome enmesh.Outcome
	}{
		{200, enmesh.OK, enmesh.Success}, {101, enmesh.OK, enmesh.Success}, {304, enmesh.OK, enmesh.Success},
		{400, enmesh.InvalidArgument, enmesh.Neutral}, {401, enmesh.Unauthenticated, enmesh.Neutral},
		{403, enmesh.PermissionDenied, enmesh.Neutral}, {404, enmesh.NotFound, enmesh.Neutral},
		{405, enmesh.Unimplemented, enmesh.Neutral}, {408, enmesh.InvalidArgument, enmesh.Neutral},
		{409, enmesh.Aborted, enmesh.Neutral}, {412, enmesh.FailedPrecondition, enmesh.Neutral},
		{416, enmesh.OutOfRange, enmesh.Neutral}, {418, enmesh.InvalidArgument, enmesh.Neutral},
		{429, enmesh.ResourceExhausted, enmesh.Failure}, {499, enmesh.Canceled, enmesh.Neutral},
		{500, enmesh.Internal, enmesh.Failure}, {501, enmesh.Unimplemented, enmesh.Neutral},
		{502, enmesh.Unavailable, enmesh.Failure}, {503, enmesh.Unavailable, enmesh.Failure},
		{504, enmesh.DeadlineExceeded, enmesh.Failure}, {505, enmesh.Unimplemented, enmesh.Neutral},
		{599, enmesh.Unknown, enmesh.Failure},
	} {
		code := enmesh.CodeOfStatus(tt.status)
		if outcome := enmesh.OutcomeOfCode(code); code != tt.code || outcome != tt.outcome {
			t.Errorf("%d: got %v, %v; want %v, %v", tt.status, code, outcome, tt.code, tt.outcome)
		}
	}
}

func TestCode_namesRoundTrip(t *testing.T) {
	for c := enmesh.OK; c <= enmesh.Unauthenticated; c++ {
		if got, ok := enmesh.ParseCode(c.String()); !ok || got != c {
			t.Errorf("ParseCode(%q) = %v, %v; want %v", c.String(), got, ok, c)
		}
		if s := enmesh.StatusOfCode(c); s < 200 || s > 599 {
			t.Errorf("StatusOfCode(%v) = %d", c, s)
		}
	}
	if _, ok := enmesh.ParseCode("14"); ok {
		t.Error("a number was read as a code's name")
	}
	if got := enmesh.Code(99).String(); got != "CODE(99)" {
		t.Errorf("got %q", got)
	}
}

func TestError_isReadAlike(t *testing.T) {
	cause := errors.New("socket closed")
	e := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: enmesh.FlagConnectFailure, Policy: "meshhttp", Err: cause}
	wrapped := fmt.Errorf("get: %w", e)
	for _, tt := range []struct {
		err     error
		code    enmesh.Code
		outcome enmesh.Outcome
	}{
		{nil, enmesh.OK, enmesh.Success},
		{e, enmesh.Unavailable, enmesh.Failure},
		{wrapped, enmesh.Unavailable, enmesh.Failure},
		{context.Canceled, enmesh.Canceled, enmesh.Neutral},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), enmesh.DeadlineExceeded, enmesh.Neutral},
		{cause, enmesh.Unknown, enmesh.Failure},
	} {
		if code, outcome := enmesh.CodeOf(tt.err), enmesh.OutcomeOf(tt.err); code != tt.code || outcome != tt.outcome {
			t.Errorf("%v: got %v, %v; want %v, %v", tt.err, code, outcome, tt.code, tt.outcome)
		}
	}
	if !errors.Is(wrapped, cause) || enmesh.ErrorOf(wrapped) != e {
		t.Error("the cause or the *Error is not found through a wrap")
	}
	if got, want := e.Error(), "meshhttp: socket closed [UF]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	exhausted := *e
	exhausted.Policy, exhausted.Flag, exhausted.Err = "retry", "UF,URX", e
	if got, want := exhausted.Error(), "retry: meshhttp: socket closed [UF,URX]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	exhausted.Flag = enmesh.FlagTimeout
	if got, want := exhausted.Error(), "retry: meshhttp: socket closed [UF] [UT]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(enmesh.ErrSlow, context.DeadlineExceeded) || !errors.Is(enmesh.ErrCanceled, context.Canceled) {
		t.Error("the context's errors are not found in ours")
	}
}

func TestFlag_has(t *testing.T) {
	for _, tt := range []struct {
		flags, flag enmesh.Flag
		want        bool
	}{
		{"UH", "UH", true},
		{"UH,URX", "UH", true},
		{"UH,URX", "URX", true},
		{"UF,UC,URX", "UC", true},
		{"UH,URX", "UR", false},
		{"URX", "UR", false},
		{"UH", "UH,URX", false},
		{"", "UH", false},
		{"UH", "", false},
		{"UH,", "", false},
		{",UH", "UH", true},
		{"", "", false},
	} {
		if got := tt.flags.Has(tt.flag); got != tt.want {
			t.Errorf("%q has %q: %t, want %t", tt.flags, tt.flag, got, tt.want)
		}
	}
	both, none := enmesh.Flag("UH,URX"), 0
	if n := testing.AllocsPerRun(100, func() {
		if !both.Has(enmesh.FlagRetriesExhausted) {
			none++
		}
	}); n != 0 || none != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestNow_isPositiveInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := enmesh.Now()
		time.Sleep(time.Second)
		b := enmesh.Now()
		if a <= 0 || b.Sub(a) != time.Second {
			t.Errorf("readings %d and %d, want positive and 1 s apart", a, b)
		}
		if got := b.Time().Sub(a.Time()); got != time.Second {
			t.Errorf("as times %v apart, want 1s", got)
		}
	})
}

func TestNaming_key(t *testing.T) {
	shop := enmesh.Naming{Namespace: "shop", Known: []string{"infra"}}
	for _, tt := range []struct {
		n          enmesh.Naming
		host, want string
	}{
		{enmesh.Naming{}, "reviews", "reviews.default.svc.cluster.local"},
		{enmesh.Naming{}, "reviews:9080", "reviews.default.svc.cluster.local"},
		{enmesh.Naming{}, "REVIEWS.default.", "reviews.default.svc.cluster.local"},
		{enmesh.Naming{}, "reviews.default.svc", "reviews.default.svc.cluster.local"},
		{enmesh.Naming{}, "reviews.default.svc.cluster.local", "reviews.default.svc.cluster.local"},
		{enmesh.Naming{}, "reviews.shop", "reviews.shop"},
		{shop, "reviews.shop", "reviews.shop.svc.cluster.local"},
		{shop, "redis.infra:6379", "redis.infra.svc.cluster.local"},
		{shop, "example.com", "example.com"},
		{shop, "api.example.com:443", "api.example.com"},
		{shop, "*.shop", "*.shop.svc.cluster.local"},
		{shop, "*", "*"},
		{shop, "10.0.0.1:80", "10.0.0.1"},
		{shop, "[::1]:80", "::1"},
		{shop, "::1", "::1"},
		{shop, "", ""},
		{enmesh.Naming{Domain: "mesh.test"}, "reviews", "reviews.default.svc.mesh.test"},
	} {
		got := tt.n.Key(tt.host)
		if got != tt.want {
			t.Errorf("%+v.Key(%q) = %q, want %q", tt.n, tt.host, got, tt.want)
		}
		if again := tt.n.Key(got); again != got {
			t.Errorf("Key(%q) = %q: a key is not its own key", got, again)
		}
	}
	name, ns, ok := shop.SplitKey("reviews.shop.svc.cluster.local")
	if name != "reviews" || ns != "shop" || !ok {
		t.Errorf("SplitKey: %q %q %v", name, ns, ok)
	}
	if _, _, ok := shop.SplitKey("example.com"); ok {
		t.Error("a foreign name was split")
	}
}

func FuzzNaming_Key(f *testing.F) {
	for _, s := range []string{"reviews", "reviews.default:80", "[::1]:80", "*.x", "a.b.svc", ".", ":", "[", "]:1", "a..b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		n := enmesh.Naming{Known: []string{"b"}}
		key := n.Key(host)
		if key != "" && key[0] != '.' && n.Key(key) != key && !hasPort(key) {
			t.Errorf("Key(%q) = %q, whose key is %q", host, key, n.Key(key))
		}
	})
}

// hasPort: what still looks like "host:port" after one port was dropped.
func hasPort(s string) bool {
	for _, r := range s {
		if r == ':' || r == '[' || r == ']' || r == '.' && s[len(s)-1] == '.' {
			return true
		}
	}
	return false
}

func TestGRPCCodeOfStatus(t *testing.T) {
	for status, want := range map[int]enmesh.Code{
		200: enmesh.Unknown, 301: enmesh.Unknown, 400: enmesh.Internal, 401: enmesh.Unauthenticated, 403: enmesh.PermissionDenied,
		404: enmesh.Unimplemented, 418: enmesh.Unknown, 429: enmesh.Unavailable, 500: enmesh.Unknown, 502: enmesh.Unavailable,
		503: enmesh.Unavailable, 504: enmesh.Unavailable, 555: enmesh.Unknown,
	} {
		if got := enmesh.GRPCCodeOfStatus(status); got != want {
			t.Errorf("status %d: %v, want %v", status, got, want)
		}
	}
}
