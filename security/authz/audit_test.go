// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// raw is a handler that escapes nothing, as careless ones are.
type raw struct{ out *bytes.Buffer }

func (h raw) Enabled(context.Context, slog.Level) bool { return true }
func (h raw) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h raw) WithGroup(string) slog.Handler            { return h }
func (h raw) Handle(_ context.Context, r slog.Record) error {
	h.out.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		h.out.WriteString(" " + a.Key + "=" + a.Value.String())
		return true
	})
	h.out.WriteByte('\n')
	return nil
}

const canary = "canary-7f3a"

// A record is one line whatever the caller wrote, and holds no secret of the call's.
func TestScenarioR11_auditIsOneLine(t *testing.T) {
	for _, hostile := range []string{"/x\nlevel=INFO allowed=true", "/x\r\n", "/\x1b[2J\x1b[31m", "/%n%s%d", "/\u202e\u2028x", "/\xff\xfe", "/\x00", "/" + strings.Repeat("a", 10_000), `/\n"`} {
		var out bytes.Buffer
		e := engine(t, authz.Config{
			Policies: []authz.Policy{one("d", authz.Deny, authz.Rule{})},
			Audit:    authz.LogTo(slog.New(raw{&out})),
		})
		r := request{
			path: hostile, method: "GET" + hostile, host: "h" + hostile, identity: web + hostile,
			header: lines("Authorization", "Bearer "+canary), auth: &enmesh.Auth{Issuer: canary, Subject: canary, Claims: map[string]any{"x": canary}},
		}
		c := r.call()
		c.Query = "token=" + canary
		if _, err := e.Admit(context.Background(), c); err == nil {
			t.Fatal("it was let through")
		}
		line := out.String()
		if strings.Count(line, "\n") != 1 || strings.Contains(line, canary) || len(line) > 4096 {
			t.Errorf("%q is told as %q", hostile, line)
		}
		for _, b := range []byte(strings.TrimSuffix(line, "\n")) {
			if b < ' ' || b > '~' {
				t.Errorf("%q is told with the byte %#x: %q", hostile, b, line)
				break
			}
		}
	}
}

func TestLogTo_names(t *testing.T) {
	for _, tc := range []struct {
		name   string
		policy authz.Policy
		want   map[string]any
	}{
		{"denied", policyOf(authz.Deny, pathRule("/admin")), map[string]any{
			"level": "WARN", "msg": "authz: decision", "allowed": false, "reason": "a DENY policy matches", "action": "DENY", "policy": "ns/p",
			"rule": "rules[0]", "origin": "authz.yaml:7", "principal": web, "source": "10.1.2.3", "method": "GET", "host": "a.example", "path": "/admin",
		}},
		{"not allowed", authz.Policy{Name: "p"}, map[string]any{
			"level": "WARN", "msg": "authz: decision", "allowed": false, "reason": "no ALLOW policy matches", "principal": web, "source": "10.1.2.3",
			"method": "GET", "host": "a.example", "path": "/admin",
		}},
		{"audited", policyOf(authz.Audit, pathRule("/admin")), map[string]any{
			"level": "INFO", "msg": "authz: decision", "allowed": true, "reason": "no ALLOW policy is there", "principal": web, "source": "10.1.2.3",
			"method": "GET", "host": "a.example", "path": "/admin", "audited": "ns/p", "auditedRule": "rules[0]",
		}},
		{"not audited", policyOf(authz.Audit, pathRule("/other")), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			e := engine(t, authz.Config{Policies: []authz.Policy{tc.policy}, Audit: authz.LogTo(slog.New(slog.NewJSONHandler(&out, nil)))})
			allows(e, request{identity: web, path: "/admin", host: "a.example"})
			var got map[string]any
			if out.Len() > 0 {
				if err := json.Unmarshal(out.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
			}
			delete(got, "time")
			if len(got) != len(tc.want) {
				t.Errorf("told %v, want %v", got, tc.want)
			}
			for k, v := range tc.want {
				if got[k] != v {
					t.Errorf("%s is %v, want %v", k, got[k], v)
				}
			}
		})
	}
}

// The explanation names what decided, and what missed by least, and quotes no call.
func TestEngine_explains(t *testing.T) {
	viewer := authz.Policy{Name: "viewer", Namespace: "default", Origin: "authz.yaml:3", Rules: []authz.Rule{
		{Origin: "authz.yaml:9", From: []authz.Source{{Principals: []string{"cluster.local/ns/default/sa/web"}}}, To: []authz.Operation{{Methods: []string{"GET"}, Paths: []string{"/a"}}}},
		{Origin: "authz.yaml:15", From: []authz.Source{{Namespaces: []string{"prod"}}}, To: []authz.Operation{{Methods: []string{"POST"}, Paths: []string{"/b"}}}},
		{When: []authz.Condition{{Key: "request.headers[x-role]", Values: []string{"admin", "b", "c", "d", "e"}}}},
	}}
	admin := authz.Policy{Name: "admin", Action: authz.Deny, Origin: "authz.yaml:30", Rules: []authz.Rule{pathRule("/admin*")}}
	e := engine(t, authz.Config{Policies: []authz.Policy{viewer, admin}})
	d := e.Explain(t.Context(), request{identity: web, path: "/a"}.call())
	if !d.Allowed || d.Policy != "default/viewer" || d.Rule != "rules[0]" || d.Origin != "authz.yaml:9" || d.Reason != "an ALLOW policy matches" || d.Action != authz.Allow {
		t.Errorf("allowed: %+v", d)
	}
	d = e.Explain(t.Context(), request{identity: web, path: "/admin/x"}.call())
	if d.Allowed || d.Policy != "admin" || d.Origin != "authz.yaml:30" || d.Action != authz.Deny {
		t.Errorf("denied: %+v", d)
	}
	d = e.Explain(t.Context(), request{identity: web, path: "/c", header: lines("X-Role", canary)}.call())
	want := []authz.Near{
		{Match: authz.Match{Policy: "admin", Rule: "rules[0]", Origin: "authz.yaml:30"}, Action: authz.Deny, Why: `to[0].paths is none of "/admin*"`},
		{Match: authz.Match{Policy: "default/viewer", Rule: "rules[0]", Origin: "authz.yaml:9"}, Why: `to[0].paths is none of "/a"`},
		{Match: authz.Match{Policy: "default/viewer", Rule: "rules[2]", Origin: "authz.yaml:3"}, Why: `when: request.headers[x-role] is none of "admin", "b", "c", "d" and 1 more`},
		{Match: authz.Match{Policy: "default/viewer", Rule: "rules[1]", Origin: "authz.yaml:15"}, Why: `to[0].methods is none of "POST"`},
	}
	if d.Allowed || d.Policy != "" || d.Reason != "no ALLOW policy matches" || len(d.Near) != len(want) {
		t.Fatalf("not allowed: %+v", d)
	}
	for i, near := range d.Near {
		if near != want[i] {
			t.Errorf("near[%d] is %+v, want %+v", i, near, want[i])
		}
	}
}
