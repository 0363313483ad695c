// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

// fields collects the attributes of a record.
type fields struct {
	attrs [24]slog.Attr
	n     int
}

func (f *fields) add(a slog.Attr) {
	f.attrs[f.n] = a
	f.n++
}

// text adds a text unless it is empty.
func (f *fields) text(key, value string) {
	if value != "" {
		f.add(slog.String(key, printable(value)))
	}
}

// printable is s with escapes of Go's for what does not print: a client writes there what it
// likes, JSON lets the control characters beyond ASCII's stand, and a terminal obeys them.
func printable(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return escaped(s)
		}
	}
	return s
}

// escaped is printable for a text that is not ASCII alone.
func escaped(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// number adds a number unless it is negative: not known.
func (f *fields) number(key string, n int64) {
	if n >= 0 {
		f.add(slog.Int64(key, n))
	}
}

func (f *fields) milliseconds(key string, d time.Duration) {
	f.add(slog.Float64(key, float64(d.Microseconds())/1000))
}

// record describes a call that has ended.
func record(side enmesh.Side, level slog.Level, r enmesh.Result) slog.Record {
	var f fields
	f.request(side, r.Call)
	f.ending(r)
	f.measures(r)
	out := slog.NewRecord(time.Now(), level, "call", 0)
	out.AddAttrs(f.attrs[:f.n]...)
	return out
}

// request adds what was asked, of whom, by whom.
func (f *fields) request(side enmesh.Side, c *enmesh.Call) {
	f.text("side", sideText(side))
	f.text("protocol", c.Protocol.String())
	f.text("method", c.Method)
	f.text("authority", c.Authority)
	f.text("path", c.Path)
	f.text("service", c.Service)
	if c.Port != 0 {
		f.number("port", int64(c.Port))
	}
	f.text("subset", c.Subset)
	if c.Route != nil {
		f.text("route", c.Route.Name)
	}
	if c.Endpoint != nil {
		f.text("endpoint", c.Endpoint.Addr())
	}
	if c.Source != nil {
		f.text("peer", peerText(c.Source))
	}
}

// ending adds what came of it.
func (f *fields) ending(r enmesh.Result) {
	f.number("status", int64(telemetry.Status(r)))
	if r.Call.Protocol == enmesh.GRPC {
		f.text("code", enmesh.CodeOf(r.Err).String())
	}
	flag := string(telemetry.Flags(r))
	if flag == "" {
		flag = telemetry.FlagNone
	}
	f.text("flags", flag)
	if e := enmesh.ErrorOf(r.Err); e != nil {
		f.text("policy", e.Policy)
	}
	f.number("attempts", int64(r.Call.Attempt))
}

// measures adds times and sizes, and the trace.
func (f *fields) measures(r enmesh.Result) {
	c := r.Call
	f.milliseconds("duration_ms", r.Ended.Sub(c.Start))
	if r.Answered != 0 {
		f.milliseconds("first_byte_ms", r.Answered.Sub(c.Start))
	}
	request, answer := c.Sizes()
	f.number("request_bytes", request)
	f.number("response_bytes", answer)
	f.text("trace_id", telemetry.TraceID(c.Header))
}

func sideText(s enmesh.Side) string {
	if s == enmesh.Server {
		return "server"
	}
	return "client"
}

// peerText is the caller's identity, else its address.
func peerText(p *enmesh.Peer) string {
	if p.Identity == "" && p.Addr.IsValid() {
		return p.Addr.String()
	}
	return p.Identity
}
