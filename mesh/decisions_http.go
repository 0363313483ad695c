// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// decided is the last calls, as /decisions tells of them.
type decided struct {
	Service   string     `json:"service,omitempty"`
	Services  []string   `json:"services,omitempty"` // of which there are some, where none is named
	Decisions []Decision `json:"decisions,omitempty"`
}

// decisionsAnswer is the last calls to the service that values name.
func (m *Mesh) decisionsAnswer(_ *http.Request, values url.Values) (texter, error) {
	if m.decisions == nil {
		return nil, errors.New("mesh: no decisions are remembered: leave out mesh.WithDecisions, or give it 0 or more")
	}
	n, err := number(values, "n", 2*maxDecisions)
	if err != nil {
		return nil, err
	}
	service := values.Get("service")
	if service == "" {
		return &decided{Services: m.decisions.services()}, nil
	}
	all := m.Decisions(service)
	if n > 0 && len(all) > n {
		all = all[:n]
	}
	return &decided{Service: m.naming.Key(service), Decisions: all}, nil
}

// WriteText writes a line for each call, and for each of its attempts if there were several.
func (d *decided) WriteText(w io.Writer) error {
	p := &printer{w: w}
	switch {
	case d.Service == "" && len(d.Services) == 0:
		p.line("no calls yet")
	case d.Service == "":
		p.line("calls to these services are remembered; ask with service=...")
		for _, s := range d.Services {
			p.line("  %s", s)
		}
	default:
		p.line("%s: the last %d calls that are remembered", d.Service, len(d.Decisions))
	}
	for i := range d.Decisions {
		p.line("%s", d.Decisions[i])
		for _, a := range d.Decisions[i].Attempts {
			p.line("    %s", a)
		}
	}
	return p.err
}

// String is the call in one line, without its attempts.
func (d Decision) String() string {
	route := d.Route
	if d.Origin != "" {
		route += " (" + d.Origin + ")"
	}
	return fmt.Sprintf("%s %s %s %s%s -> %s by %s: %s in %v, %d tries", d.At.UTC().Format("15:04:05.000"), d.Protocol, d.Method, d.Authority, d.Path,
		d.Destination, route, codeText(d.Outcome, d.Code, d.Status, d.Flag, d.Policy), d.Duration.Round(10*time.Microsecond), d.Tries)
}

// String is the attempt in one line.
func (a Attempt) String() string {
	to := a.Endpoint
	if to == "" {
		to = "no endpoint"
	}
	if a.Version != "" {
		to += " (" + a.Version + ")"
	}
	return fmt.Sprintf("%d: %s: %s in %v", a.Number, to, codeText("", a.Code, a.Status, a.Flag, ""), a.Duration.Round(10*time.Microsecond))
}

// codeText is how something ended: "failure 503 Unavailable UH balance".
func codeText(outcome, code string, status int, flag, policy string) string {
	text := outcome
	if status != 0 {
		text += fmt.Sprintf(" %d", status)
	}
	for _, s := range []string{code, flag, policy} {
		if s != "" {
			text += " " + s
		}
	}
	return strings.TrimSpace(text)
}
