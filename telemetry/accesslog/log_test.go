// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package accesslog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/accesslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

var errOpen = &enmesh.Error{
	Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Flag: enmesh.FlagOverflow,
	Policy: "breaker", Err: errors.New("the secret message"),
}

// counting is an Exchange that knows its bytes.
type counting struct{ *enmeshtest.Wire }

func (counting) Sizes() (request, answer int64) { return 12, 345 }

// logged sends one call and gives its record, or nil when there was none.
func logged(t *testing.T, cfg accesslog.Config, side enmesh.Side, describe func(c *enmesh.Call), err error) map[string]any {
	t.Helper()
	var out bytes.Buffer
	log := accesslog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), cfg)
	router := enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route {
		return &enmesh.Route{
			Name: "reviews-route",
			Next: enmesh.Chain(telemetry.Calls(log.Calls(telemetry.Scope{Side: side})))(enmesh.Send),
		}
	})
	var k enmesh.Carrier
	k.Begin(t.Context(), counting{enmeshtest.NewWire(enmeshtest.Answer(err))})
	k.Call.Header = enmeshtest.Header{"Traceparent": {traceparent}, "Authorization": {"Bearer secret"}, "Cookie": {"secret"}}
	describe(&k.Call)
	k.Enter(router)
	_ = k.Run()
	k.Answered(k.Call.Start.Add(2 * time.Millisecond))
	k.End(err, k.Call.Start.Add(5*time.Millisecond))
	if out.Len() == 0 {
		return nil
	}
	if strings.Contains(out.String(), "secret") {
		t.Errorf("a secret is in the log: %s", out.String())
	}
	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	delete(record, "time")
	return record
}

func reviews(c *enmesh.Call) {
	c.Method, c.Path, c.Query, c.Authority = "GET", "/reviews/1", "token=secret", "reviews:9080"
	c.Service, c.Port, c.Subset = "reviews", 9080, "v2"
	c.Endpoint = &enmeshtest.Endpoint{Address: "10.0.0.7:9080"}
}

func TestLog_clientCall(t *testing.T) {
	got := logged(t, accesslog.Config{}, enmesh.Client, func(c *enmesh.Call) {
		reviews(c)
		c.Answer.Status = 200
	}, nil)
	want(t, got, map[string]any{
		"level": "INFO", "msg": "call", "side": "client", "protocol": "http", "method": "GET",
		"authority": "reviews:9080", "path": "/reviews/1", "service": "reviews", "port": 9080.0, "subset": "v2",
		"route": "reviews-route", "endpoint": "10.0.0.7:9080", "status": 200.0, "flags": "-", "attempts": 1.0,
		"duration_ms": 5.0, "first_byte_ms": 2.0, "request_bytes": 12.0, "response_bytes": 345.0,
		"trace_id": "0af7651916cd43dd8448eb211c80319c",
	})
}

func TestLog_refusedServerCall(t *testing.T) {
	got := logged(t, accesslog.Config{}, enmesh.Server, func(c *enmesh.Call) {
		c.Protocol, c.Method, c.Path, c.Header = enmesh.GRPC, "POST", "/ratings.Ratings/Get", nil
		c.Source = &enmesh.Peer{Addr: netip.MustParseAddrPort("10.0.0.9:40000")}
	}, errOpen)
	want(t, got, map[string]any{
		"level": "WARN", "msg": "call", "side": "server", "protocol": "grpc", "method": "POST",
		"path": "/ratings.Ratings/Get", "route": "reviews-route", "peer": "10.0.0.9:40000", "status": 200.0,
		"code": "UNAVAILABLE", "flags": "UO", "policy": "breaker", "attempts": 1.0, "duration_ms": 5.0,
		"first_byte_ms": 2.0, "request_bytes": 12.0, "response_bytes": 345.0,
	})
}

func TestLog_retriesExhausted(t *testing.T) {
	last := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: "UH,URX", Policy: "retry"}
	got := logged(t, accesslog.Config{}, enmesh.Client, reviews, last)
	if got["flags"] != "UH,URX" || got["policy"] != "retry" {
		t.Errorf("flags %v of %v, want UH,URX of retry", got["flags"], got["policy"])
	}
}

func want(t *testing.T, got, want map[string]any) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	for _, key := range keys {
		if got[key] != want[key] {
			t.Errorf("%s is %v, want %v", key, got[key], want[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %v is in the record, and should not be", key, got[key])
		}
	}
}

func TestLog_identityGoesBeforeAddress(t *testing.T) {
	got := logged(t, accesslog.Config{}, enmesh.Server, func(c *enmesh.Call) {
		c.Source = &enmesh.Peer{Addr: netip.MustParseAddrPort("10.0.0.9:40000"), Identity: "spiffe://td/ns/default/sa/a"}
	}, nil)
	if got["peer"] != "spiffe://td/ns/default/sa/a" {
		t.Errorf("peer is %v, want the identity", got["peer"])
	}
}

func TestLog_samples(t *testing.T) {
	draw := func(x float64) func() float64 { return func() float64 { return x } }
	for _, tt := range []struct {
		name string
		cfg  accesslog.Config
		err  error
		want bool
	}{
		{"all by default", accesslog.Config{Rand: draw(0.999)}, nil, true},
		{"drawn", accesslog.Config{Sample: 0.1, Rand: draw(0.05)}, nil, true},
		{"not drawn", accesslog.Config{Sample: 0.1, Rand: draw(0.5)}, nil, false},
		{"failures always", accesslog.Config{Sample: 0.1, Rand: draw(0.5)}, errOpen, true},
		{"failures sampled too", accesslog.Config{Sample: 0.1, Rand: draw(0.5), SampleFailures: true}, errOpen, false},
		{"none", accesslog.Config{Sample: -1, Rand: draw(0)}, nil, false},
		{"none but failures", accesslog.Config{Sample: -1, Rand: draw(0)}, errOpen, true},
		{"the caller went away: no failure", accesslog.Config{Sample: -1}, enmesh.ErrCanceled, false},
		{"below the handler's level", accesslog.Config{Level: slog.LevelDebug - 1}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := logged(t, tt.cfg, enmesh.Client, reviews, tt.err)
			if (got != nil) != tt.want {
				t.Errorf("logged %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLog_aPathCannotForgeALine(t *testing.T) {
	var out bytes.Buffer
	o := accesslog.New(slog.NewTextHandler(&out, nil), accesslog.Config{}).Calls(telemetry.Scope{})
	o.Observe(enmesh.Result{Call: sent(func(c *enmesh.Call) { c.Path = "/a\nlevel=INFO msg=call path=/b" })})
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines, want 1: %q", n, out.String())
	}
}

// sent is a call that was sent.
func sent(describe func(c *enmesh.Call)) *enmesh.Call {
	w := enmeshtest.NewWire()
	describe(w.Call())
	_ = w.Do(context.Background(), enmesh.Fixed(false))
	return w.Call()
}

func TestLog_costsNothingWhenOff(t *testing.T) {
	handler := slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError})
	r := enmesh.Result{Call: sent(reviews)}
	for name, log := range map[string]*accesslog.Log{
		"level":  accesslog.New(handler, accesslog.Config{}),
		"sample": accesslog.New(slog.NewTextHandler(io.Discard, nil), accesslog.Config{Sample: -1}),
	} {
		o := log.Calls(telemetry.Scope{})
		if got := testing.AllocsPerRun(1000, func() { o.Observe(r) }); got != 0 {
			t.Errorf("off by %s: %v allocations, want 0", name, got)
		}
	}
}

func TestLog_conforms(t *testing.T) {
	log := accesslog.New(slog.NewTextHandler(io.Discard, nil), accesslog.Config{})
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		return telemetry.Calls(log.Calls(telemetry.Scope{}))
	})
}

func BenchmarkLog_sampledOut(b *testing.B) {
	o := accesslog.New(slog.NewTextHandler(io.Discard, nil), accesslog.Config{Sample: 1e-9}).Calls(telemetry.Scope{})
	r := enmesh.Result{Call: sent(reviews)}
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

func BenchmarkLog_json(b *testing.B) {
	o := accesslog.New(slog.NewJSONHandler(io.Discard, nil), accesslog.Config{}).Calls(telemetry.Scope{})
	r := enmesh.Result{Call: sent(reviews)}
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

func ExampleNew() {
	withoutTimes := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || strings.HasSuffix(a.Key, "_ms") {
			return slog.Attr{}
		}
		return a
	}
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes})
	log := accesslog.New(handler, accesslog.Config{Sample: 0.01}) // 1%, and whatever fails
	router := enmesh.Fixed(false, telemetry.Calls(log.Calls(telemetry.Scope{Side: enmesh.Client})))

	w := enmeshtest.NewWire(enmeshtest.Answer(errOpen)) // an adapter does this for every request
	w.Call().Method, w.Call().Path, w.Call().Service = "GET", "/reviews/1", "reviews"
	_ = w.Do(context.Background(), router)
	// Output: level=WARN msg=call side=client protocol=http method=GET path=/reviews/1 service=reviews route=fixed status=503 flags=UO policy=breaker attempts=1
}
