// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// policyPrefix begins every line of an error of package policy.
const policyPrefix = "policy: "

// Handler is a slog.Handler that makes events of what a mesh logs: a line for each
// record, and for one with an error of a policy a line for each of its problems.
func (e *Events) Handler() slog.Handler { return &handler{events: e} }

type handler struct {
	events *Events
	attrs  []slog.Attr
}

// Enabled leaves out what is for debugging.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle notes r.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var text strings.Builder
	text.WriteString(r.Message)
	var problems []string
	note := func(a slog.Attr) bool {
		if lines := policyErrors(a.Value); len(lines) > 0 {
			problems = append(problems, lines...)
		} else {
			fmt.Fprintf(&text, " %s=%v", a.Key, a.Value)
		}
		return true
	}
	for _, a := range h.attrs {
		note(a)
	}
	r.Attrs(note)
	if len(problems) > 0 {
		h.events.Refused(problems...)
		return nil
	}
	h.events.Say(text.String())
	return nil
}

// policyErrors are the lines of v, without their prefix, if it is an error of a policy.
func policyErrors(v slog.Value) []string {
	err, ok := v.Any().(error)
	if !ok || !strings.HasPrefix(err.Error(), policyPrefix) {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, policyPrefix)
	}
	return lines
}

// WithAttrs is h with attributes for every record.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{events: h.events, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup is h: a line has no groups.
func (h *handler) WithGroup(string) slog.Handler { return h }
