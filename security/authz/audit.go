// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/enmesh-go/enmesh"
)

// tell has the Recorder and Config.Audit know of what they are for. Whatever goes wrong in
// them, or in policies that decide nothing, goes wrong for nobody else.
func (e *Engine) tell(ctx context.Context, v *view, said verdict) {
	defer func() {
		if p := recover(); p != nil {
			logPanic("an audit", p)
		}
	}()
	if said.failed {
		e.record(v.call, enmesh.ActionDegrade, false)
	}
	shadow, differs := e.shadow(v, said)
	switch {
	case differs && said.allowed:
		e.record(v.call, enmesh.ActionRefuse, true)
	case differs:
		e.record(v.call, enmesh.ActionAllow, true)
	}
	audited := e.audit.find(v, true)
	if audited != nil {
		e.record(v.call, enmesh.ActionAudit, false)
	}
	if e.told != nil && (!said.allowed || differs || audited != nil) {
		d := describe(said, shadow, audited)
		e.told(ctx, v.call, &d)
	}
}

// record has the Recorder, if there is one, count what authorization did to a call.
func (e *Engine) record(c *enmesh.Call, did enmesh.Action, inShadow bool) {
	if e.recorder != nil {
		e.recorder.Record(c, enmesh.Decision{Policy: "authz", Action: did, Shadow: inShadow})
	}
}

// shadow is what would be decided with the policies in a dry run, nil where there are none
// or others have decided before, and whether that differs from what was.
func (e *Engine) shadow(v *view, said verdict) (would *verdict, differs bool) {
	if e.dry == nil || said.err != nil {
		return nil, false
	}
	other := e.dry.decide(v)
	return &other, other.allowed != said.allowed
}

// describe is a decision in words.
func describe(said verdict, shadow *verdict, audited *rule) Decision {
	d := Decision{Allowed: said.allowed, Failed: said.failed, Reason: said.reason}
	if r := said.rule; r != nil {
		d.Action, d.Policy, d.Rule, d.Origin = r.owner.action, r.owner.name, r.label, r.origin
	}
	if shadow != nil {
		d.Shadow = &Shadow{Allowed: shadow.allowed, Reason: shadow.reason}
		if r := shadow.rule; r != nil {
			d.Shadow.Action, d.Shadow.Policy, d.Shadow.Rule, d.Shadow.Origin = r.owner.action, r.owner.name, r.label, r.origin
		}
	}
	if audited != nil {
		m := audited.match()
		d.Audited = &m
	}
	return d
}

// LogTo is a Config.Audit that writes one record for each decision: a warning for a
// refusal, an error where nothing could be decided, else information. It names the caller
// (principal, address), what was called (method, host, path) and what decided; never a
// query, a header or a token. What comes from the caller is cut to 256 bytes, and whatever
// could pass for more than text is escaped, so that a record stays one line under any
// handler.
func LogTo(log *slog.Logger) func(context.Context, *enmesh.Call, *Decision) {
	return func(ctx context.Context, c *enmesh.Call, d *Decision) {
		level := slog.LevelInfo
		switch {
		case d.Failed:
			level = slog.LevelError
		case !d.Allowed:
			level = slog.LevelWarn
		}
		if log.Enabled(ctx, level) {
			log.LogAttrs(ctx, level, "authz: decision", record(c, d)...)
		}
	}
}

func record(c *enmesh.Call, d *Decision) []slog.Attr {
	attrs := []slog.Attr{slog.Bool("allowed", d.Allowed), slog.String("reason", d.Reason)}
	if d.Policy != "" {
		attrs = append(attrs, slog.String("action", d.Action.String()),
			slog.String("policy", d.Policy), slog.String("rule", d.Rule), slog.String("origin", d.Origin))
	}
	if c.Source != nil {
		attrs = append(attrs, slog.String("principal", plain(c.Source.Identity)))
		if c.Source.Addr.IsValid() {
			attrs = append(attrs, slog.String("source", c.Source.Addr.Addr().String()))
		}
	}
	attrs = append(attrs, slog.String("method", plain(c.Method)), slog.String("host", plain(c.Authority)), slog.String("path", plain(c.Path)))
	if d.Audited != nil {
		attrs = append(attrs, slog.String("audited", d.Audited.Policy), slog.String("auditedRule", d.Audited.Rule))
	}
	if d.Shadow != nil {
		attrs = append(attrs, slog.Bool("shadowAllowed", d.Shadow.Allowed), slog.String("shadowPolicy", d.Shadow.Policy),
			slog.String("shadowRule", d.Shadow.Rule), slog.String("shadowReason", d.Shadow.Reason))
	}
	return attrs
}

// maxLogged bounds what a caller can have written into a log, in bytes.
const maxLogged = 256

// plain is s cut, and with everything escaped that is not a printable character of ASCII.
func plain(s string) string {
	cut := len(s) > maxLogged
	if cut {
		s = s[:maxLogged]
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < ' ' || r == 0x7f || r == '\\':
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteByte(s[i])
		}
		i += size
	}
	if cut {
		b.WriteString("...")
	}
	return b.String()
}

// logPanic says that something panicked, and where; the value may hold what a log must
// not, so its type has to do.
func logPanic(what string, value any) {
	slog.Error("authz: "+what+" panicked", "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
}
