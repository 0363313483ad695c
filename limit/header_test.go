// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

// aligned is 40 s after an hour began.
var aligned = start.Add(start.Time().Truncate(time.Hour).Add(time.Hour + 40*time.Second).Sub(start.Time()))

// heads is the answer's header of each of n server calls at aligned.
func heads(g enmesh.Gate, n int) []enmeshtest.Header {
	all := make([]enmeshtest.Header, n)
	for i := range all {
		all[i] = enmeshtest.Header{}
		_ = refusal(g, &enmesh.Call{Side: enmesh.Server, Clock: aligned, Answer: enmesh.Answer{Header: all[i]}})
	}
	return all
}

func TestHeaders(t *testing.T) {
	const policy, state = "Ratelimit-Policy", "Ratelimit"
	type want map[string]string
	tests := []struct {
		name  string
		gate  func(limit.Terms) gate
		terms limit.Terms
		calls []want // the header of each call; nil: none
	}{
		{
			"on refusal", bucketOf(0.5, 2), limit.Terms{},
			[]want{nil, nil, {policy: `"default";q=2;w=4`, state: `"default";r=0;t=2`}},
		},
		{
			"always", windowOf(3, time.Minute), limit.Terms{Headers: limit.Always, Name: "perminute"},
			[]want{
				{policy: `"perminute";q=3;w=60`, state: `"perminute";r=2;t=20`},
				{state: `"perminute";r=1;t=20`}, {state: `"perminute";r=0;t=20`},
				{state: `"perminute";r=0;t=20`},
			},
		},
		{
			"always, a bucket", bucketOf(1, 3), limit.Terms{Headers: limit.Always, Cost: 2},
			[]want{{policy: `"default";q=3;w=3`, state: `"default";r=1;t=2`}, {state: `"default";r=1;t=1`}},
		},
		{"never", windowOf(1, time.Minute), limit.Terms{Headers: limit.Never, Envoy: true}, []want{nil, nil}},
		{
			"Envoy's", windowOf(1, time.Minute), limit.Terms{Envoy: true},
			[]want{nil, {
				state: `"default";r=0;t=20`, "X-Ratelimit-Limit": "1, 1;w=60", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "20",
			}},
		},
		{
			"Envoy's, named", windowOf(1, time.Minute), limit.Terms{Envoy: true, Headers: limit.Always, Name: "a"},
			[]want{{"X-Ratelimit-Limit": `1, 1;w=60;name="a"`, "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "20"}},
		},
	}
	for _, tt := range tests {
		for i, got := range heads(tt.gate(tt.terms), len(tt.calls)) {
			if tt.calls[i] == nil && len(got) != 0 {
				t.Errorf("%s: call %d has %v, want none", tt.name, i, got)
			}
			for key, value := range tt.calls[i] {
				if got.Get(key) != value {
					t.Errorf("%s: call %d: %s is %q, want %q", tt.name, i, key, got.Get(key), value)
				}
			}
		}
	}
}

func bucketOf(rate float64, burst int) func(limit.Terms) gate {
	return func(terms limit.Terms) gate {
		b, _ := limit.NewTokenBucket(limit.Config{Rate: rate, Burst: burst, Terms: terms})
		return b
	}
}

func windowOf(n int, window time.Duration) func(limit.Terms) gate {
	return func(terms limit.Terms) gate {
		w, _ := limit.NewFixedWindow(limit.FixedConfig{Limit: n, Window: window, Terms: terms})
		return w
	}
}

// A refusal never tells to come back before the window that RateLimit names is over.
func TestHeaders_agreeWithRetryAfter(t *testing.T) {
	for name, g := range algorithms(t, 3, limit.Terms{}) {
		for range 3 {
			g.AllowAt(start, 1)
		}
		head := enmeshtest.Header{}
		c := &enmesh.Call{Side: enmesh.Server, Clock: start, Answer: enmesh.Answer{Header: head}}
		e := refusal(g, c)
		if e == nil {
			t.Fatalf("%s: the fourth call goes", name)
		}
		if got := head.Get("Ratelimit"); !strings.HasPrefix(got, `"default";r=0;t=`) || e.RetryAfter > 2*time.Second {
			t.Errorf("%s: RateLimit %q with Retry-After %v", name, got, e.RetryAfter)
		}
	}
}

// Two limits in one chain are a list.
func TestHeaders_addUp(t *testing.T) {
	head := enmeshtest.Header{}
	for _, name := range []string{"outer", "inner"} {
		g := windowOf(5, time.Hour)(limit.Terms{Name: name, Headers: limit.Always})
		_ = refusal(g, &enmesh.Call{Side: enmesh.Server, Clock: start, Answer: enmesh.Answer{Header: head}})
	}
	if got := head.Values("RateLimit-Policy"); len(got) != 2 || got[0] != `"outer";q=5;w=3600` || got[1] != `"inner";q=5;w=3600` {
		t.Errorf("RateLimit-Policy %q, want outer's and inner's", got)
	}
}

func TestHeaders_notOnAClient(t *testing.T) {
	head := enmeshtest.Header{}
	g := windowOf(1, time.Hour)(limit.Terms{Headers: limit.Always})
	for range 2 {
		_ = refusal(g, &enmesh.Call{Clock: start, Answer: enmesh.Answer{Header: head}})
	}
	if len(head) != 0 {
		t.Errorf("a client's call got %v", head)
	}
}

// In shadow nobody sees what would have been.
func TestHeaders_notInShadow(t *testing.T) {
	head := enmeshtest.Header{}
	c := &enmesh.Call{Side: enmesh.Server, Clock: aligned, Answer: enmesh.Answer{Header: head}}
	seen := &decisions{}
	g := enmesh.Shadow(windowOf(1, time.Hour)(limit.Terms{Headers: limit.Always}), "limit", seen)
	for range 3 {
		if e := refusal(g, c); e != nil {
			t.Errorf("refused in shadow: %v", e)
		}
	}
	if n := seen.count[enmesh.Decision{Policy: "limit", Action: enmesh.ActionRefuse, Shadow: true}]; n != 2 || len(head) != 0 || c.Answer.Header == nil {
		t.Errorf("told of %d refusals with header %v, want 2 and none", n, head)
	}
}

// What a refusal writes is kept for the next that says the same.
func TestHeaders_allocateNothingOnRefusal(t *testing.T) {
	g := bucketOf(0.001, 1)(limit.Terms{})
	c := &enmesh.Call{Side: enmesh.Server, Clock: start, Answer: enmesh.Answer{Header: void{}}}
	_ = refusal(g, c)
	if n := testing.AllocsPerRun(1000, func() { _ = refusal(g, c) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// void is a header that keeps nothing.
type void struct{}

func (void) Get(string) string      { return "" }
func (void) Values(string) []string { return nil }
func (void) Set(_, _ string)        {}
func (void) Add(_, _ string)        {}
func (void) Del(string)             {}
