// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// FlagNone is what stands for "no response flag" in metrics and logs, as in Envoy.
const FlagNone = "-"

// Status is the HTTP status that a call is counted under, as Envoy counts it: that
// of the answer; else that of the policy which refused; else the one that stands for
// the error's code. A caller that went away before an answer came gives 0; gRPC,
// which refuses with a status of its own, gives 200.
func Status(r enmesh.Result) int {
	if s := r.Call.Answer.Status; s != 0 {
		return s
	}
	if r.Err == nil {
		return 200
	}
	if enmesh.CodeOf(r.Err) == enmesh.Canceled {
		return 0
	}
	if r.Call.Protocol == enmesh.GRPC {
		return 200
	}
	if e := enmesh.ErrorOf(r.Err); e != nil && e.Status != 0 {
		return e.Status
	}
	return enmesh.StatusOfCode(enmesh.CodeOf(r.Err))
}

// FlagOf is the response flags of err, which are few: one, or one and URX. An *enmesh.Error has its own, the context's
// two errors have DC and UT, everything else has none.
func FlagOf(err error) enmesh.Flag {
	if err == nil {
		return ""
	}
	if e := enmesh.ErrorOf(err); e != nil {
		return e.Flag
	}
	switch {
	case errors.Is(err, context.Canceled):
		return enmesh.FlagCallerGone
	case errors.Is(err, context.DeadlineExceeded):
		return enmesh.FlagTimeout
	}
	return ""
}

// Flags is the response flags of a call that has ended: those of its error, and DI when a
// delay was injected, in Envoy's order.
func Flags(r enmesh.Result) enmesh.Flag {
	f := FlagOf(r.Err)
	if r.Call == nil || !r.Call.Delayed() {
		return f
	}
	if made, ok := delayed[f]; ok {
		return made
	}
	return withDelay(f)
}

// delayed is the flags that there are with DI among them, so that none is made for a call.
var delayed = func() map[enmesh.Flag]enmesh.Flag {
	m := map[enmesh.Flag]enmesh.Flag{"": enmesh.FlagDelayInjected}
	for _, f := range append(beforeDelay[:], afterDelay[:]...) {
		both := f + "," + enmesh.FlagRetriesExhausted
		m[f], m[both] = withDelay(f), withDelay(both)
	}
	return m
}()

// The flags that Envoy writes before DI, and after it.
var (
	beforeDelay = [...]enmesh.Flag{
		enmesh.FlagNoHealthy, enmesh.FlagTimeout, enmesh.FlagConnectFailure, enmesh.FlagConnectionEnded, enmesh.FlagOverflow, enmesh.FlagNoRoute,
	}
	afterDelay = [...]enmesh.Flag{
		enmesh.FlagFaultInjected, enmesh.FlagRateLimited, enmesh.FlagCallerGone, enmesh.FlagRetriesExhausted, enmesh.FlagNoCluster,
	}
)

// withDelay puts DI in its place among the flags of f.
func withDelay(f enmesh.Flag) enmesh.Flag {
	if f == "" {
		return enmesh.FlagDelayInjected
	}
	all := strings.Split(string(f), ",")
	at := 0
	for at < len(all) && slices.Contains(beforeDelay[:], enmesh.Flag(all[at])) {
		at++
	}
	return enmesh.Flag(strings.Join(slices.Insert(all, at, string(enmesh.FlagDelayInjected)), ","))
}

// Failed reports whether whoever made the call was failed by it: its code is one
// that enmesh.OutcomeOfCode counts as a failure, whoever said it. It differs from
// Result.Outcome, which says whether the far side is to blame: an injected abort
// is Neutral, and fails the call.
func Failed(err error) bool {
	return err != nil && enmesh.OutcomeOfCode(enmesh.CodeOf(err)) == enmesh.Failure
}

// TraceID is the trace's id in the W3C trace context that h carries, 32 hexadecimal
// digits, or "". It is a part of the header's value: nothing is copied.
func TraceID(h enmesh.Header) string {
	if h == nil {
		return ""
	}
	return traceID(h.Get("Traceparent"))
}

// traceID cuts the id out of "00-<32 digits>-<16 digits>-<2 digits>".
func traceID(parent string) string {
	if len(parent) < 55 || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' {
		return ""
	}
	id := parent[3:35]
	zeros := 0
	for i := range len(id) {
		switch c := id[i]; {
		case c == '0':
			zeros++
		case c > '0' && c <= '9', c >= 'a' && c <= 'f':
		default:
			return ""
		}
	}
	if zeros == len(id) {
		return ""
	}
	return id
}
