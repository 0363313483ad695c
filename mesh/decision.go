// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/telemetry"
)

// Decision is what became of one call that this process made. It holds no header, no
// query and no body. In JSON its durations are duration_ms, in milliseconds.
type Decision struct {
	At          time.Time `json:"at"`          // when the call began
	Service     string    `json:"service"`     // the key of the service that it was sent to
	Destination string    `json:"destination"` // with port and subset
	Protocol    string    `json:"protocol"`    // "http" or "grpc"
	Method      string    `json:"method"`
	Authority   string    `json:"authority"` // as it was sent, at most 256 bytes
	Path        string    `json:"path"`      // as it was sent, without its query, at most 256 bytes
	Route       string    `json:"route"`
	Origin      string    `json:"origin,omitempty"` // file:line of the rule; "": there is none

	// Attempts are those that are known, in their order; of a call that was tried often while
	// many failed, perhaps the last one only. Tries is how many there were.
	Attempts []Attempt `json:"attempts,omitempty"`
	Tries    int       `json:"tries"`

	Outcome  string        `json:"outcome"`          // "success", "failure" or "neutral"
	Code     string        `json:"code"`             // gRPC's name, "OK"
	Status   int           `json:"status,omitempty"` // of HTTP; 0: the caller went away first
	Flag     string        `json:"flag,omitempty"`   // Envoy's, "UH"
	Policy   string        `json:"policy,omitempty"` // the package that refused it; "": none did
	Duration time.Duration `json:"-"`                // to its true end
}

// Attempt is one try of a call.
type Attempt struct {
	Number   int           `json:"number"`             // from 1
	Endpoint string        `json:"endpoint,omitempty"` // "": none was picked
	Version  string        `json:"version,omitempty"`
	Code     string        `json:"code"`
	Status   int           `json:"status,omitempty"`
	Flag     string        `json:"flag,omitempty"`
	Duration time.Duration `json:"-"` // from the pick to its end; 0: none was picked
}

// MarshalJSON adds duration_ms.
func (d Decision) MarshalJSON() ([]byte, error) {
	type plain Decision
	return json.Marshal(struct {
		plain
		Duration float64 `json:"duration_ms"`
	}{plain(d), milliseconds(d.Duration)})
}

// MarshalJSON adds duration_ms.
func (a Attempt) MarshalJSON() ([]byte, error) {
	type plain Attempt
	return json.Marshal(struct {
		plain
		Duration float64 `json:"duration_ms"`
	}{plain(a), milliseconds(a.Duration)})
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// decisionOf is the decision of a call that has ended.
func decisionOf(r enmesh.Result, service, origin string, tries []Attempt) Decision {
	c := r.Call
	d := Decision{
		At: c.Start.Time(), Service: service, Destination: c.Destination.String(), Protocol: c.Protocol.String(),
		Method: cut(c.Method), Authority: cut(c.Authority), Path: cut(c.Path), Origin: origin, Tries: c.Attempt,
		Outcome: outcomeText(r.Outcome), Code: enmesh.CodeOf(r.Err).String(), Status: statusOf(r),
		Flag: string(telemetry.Flags(r)), Duration: r.Ended.Sub(c.Start), Attempts: tries,
	}
	if c.Route != nil {
		d.Route = c.Route.Name
	}
	if e := enmesh.ErrorOf(r.Err); e != nil {
		d.Policy = e.Policy
	}
	if n := len(tries); c.Endpoint != nil && (n == 0 || tries[n-1].Number != c.Attempt) {
		d.Attempts = append(d.Attempts, attemptOf(r))
	}
	if len(d.Attempts) == 0 && c.Endpoint == nil {
		d.Tries = 0
	}
	return d
}

// attemptOf is the attempt that a call is at.
func attemptOf(r enmesh.Result) Attempt {
	c := r.Call
	a := Attempt{
		Number: c.Attempt, Version: telemetry.VersionOf(c.Endpoint), Code: enmesh.CodeOf(r.Err).String(), Status: statusOf(r),
		Flag: string(telemetry.FlagOf(r.Err)),
	}
	if e, ok := c.Endpoint.(*balance.Endpoint); ok {
		a.Endpoint = e.Addr()
	}
	if at := c.PickedAt(); at != 0 {
		a.Duration = r.Ended.Sub(at)
	}
	return a
}

// statusOf is the HTTP status; gRPC has codes.
func statusOf(r enmesh.Result) int {
	if r.Call.Protocol == enmesh.GRPC {
		return 0
	}
	return telemetry.Status(r)
}

func outcomeText(o enmesh.Outcome) string {
	switch o {
	case enmesh.Success:
		return "success"
	case enmesh.Failure:
		return "failure"
	case enmesh.Neutral:
	}
	return "neutral"
}

// cut is the beginning of a caller's text, as a copy: what it was a part of may be large.
func cut(s string) string {
	const most = 256
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.Clone(s)
}
