// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/authz"
)

// answers is a Checker that says one thing.
type answers struct {
	err   error
	asked *int
	panic any
}

func (a answers) Check(context.Context, *enmesh.Call) error {
	if a.asked != nil {
		*a.asked++
	}
	if a.panic != nil {
		panic(a.panic)
	}
	return a.err
}

// notes is a Recorder that keeps what it is told.
type notes []enmesh.Decision

func (n *notes) Record(_ *enmesh.Call, d enmesh.Decision) { *n = append(*n, d) }

func one(name string, action authz.Action, rules ...authz.Rule) authz.Policy {
	p := authz.Policy{Name: name, Action: action, Rules: rules}
	if action == authz.Custom {
		p.Provider = "ext"
	}
	return p
}

func pathRule(paths ...string) authz.Rule { return to(authz.Operation{Paths: paths}) }

// Which of the actions decides, in Istio's order.
func TestEngine_order(t *testing.T) {
	everything := authz.Rule{}
	nothing := pathRule("/nothing")
	refusal := &enmesh.Error{Code: enmesh.Unauthenticated, Outcome: enmesh.Neutral, Status: 401}
	for _, tc := range []struct {
		name     string
		policies []authz.Policy
		fallback authz.Default
		external error
		want     string // the policy that decides, and "+" or "-"
	}{
		{name: "nothing at all", want: "+"},
		{name: "nothing at all, deny by default", fallback: authz.DenyByDefault, want: "-"},
		{name: "allow", policies: []authz.Policy{one("a", authz.Allow, everything)}, want: "a+"},
		{name: "allow, other", policies: []authz.Policy{one("a", authz.Allow, nothing)}, want: "-"},
		{name: "allow without rules", policies: []authz.Policy{one("a", authz.Allow)}, want: "-"},
		{name: "second allow", policies: []authz.Policy{one("a", authz.Allow, nothing), one("b", authz.Allow, nothing, everything)}, want: "b+"},
		{name: "deny, other", policies: []authz.Policy{one("d", authz.Deny, nothing)}, want: "+"},
		{name: "deny, other, deny by default", policies: []authz.Policy{one("d", authz.Deny, nothing)}, fallback: authz.DenyByDefault, want: "-"},
		{name: "deny before allow", policies: []authz.Policy{one("a", authz.Allow, everything), one("d", authz.Deny, everything)}, want: "d-"},
		{name: "custom before deny", policies: []authz.Policy{one("d", authz.Deny, everything), one("c", authz.Custom, everything)}, external: refusal, want: "c-"},
		{name: "custom allows, deny denies", policies: []authz.Policy{one("d", authz.Deny, everything), one("c", authz.Custom, everything)}, want: "d-"},
		{name: "custom allows, allow missing", policies: []authz.Policy{one("a", authz.Allow), one("c", authz.Custom, everything)}, want: "-"},
		{name: "custom, other", policies: []authz.Policy{one("c", authz.Custom, nothing)}, external: refusal, want: "+"},
		{name: "audit decides nothing", policies: []authz.Policy{one("u", authz.Audit, everything)}, want: "+"},
		{name: "audit opens nothing", policies: []authz.Policy{one("a", authz.Allow), one("u", authz.Audit, everything)}, want: "-"},
		{name: "audit without rules", policies: []authz.Policy{one("u", authz.Audit)}, want: "+"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var said *authz.Decision
			e := engine(t, authz.Config{
				Policies: tc.policies, Default: tc.fallback, Checkers: map[string]authz.Checker{"ext": answers{err: tc.external}},
				Audit: func(_ context.Context, _ *enmesh.Call, d *authz.Decision) { said = d },
			})
			got := ""
			if allows(e, request{path: "/x"}) {
				if tc.external == nil {
					got = e.Explain(context.Background(), request{path: "/x"}.call()).Policy
				}
				got += "+"
			} else if said != nil {
				got = said.Policy + "-"
			}
			if got != tc.want {
				t.Errorf("decided by %q, want %q", got, tc.want)
			}
		})
	}
}

// The forms of emptiness mean what Istio says they mean.
func TestScenarioA10_emptyPolicies(t *testing.T) {
	for _, tc := range []struct {
		name     string
		policies []authz.Policy
		want     bool
	}{
		{"no policy", nil, true},
		{"spec {}: ALLOW without rules", []authz.Policy{{Name: "p"}}, false},
		{"rules []: the same", []authz.Policy{{Name: "p", Rules: []authz.Rule{}}}, false},
		{"rules [{}]: everything", []authz.Policy{{Name: "p", Rules: []authz.Rule{{}}}}, true},
		{"DENY rules [{}]: everything", []authz.Policy{{Name: "p", Action: authz.Deny, Rules: []authz.Rule{{}}}}, false},
		{"DENY rules [{}] beside ALLOW rules [{}]", []authz.Policy{
			{Name: "a", Rules: []authz.Rule{{}}}, {Name: "d", Action: authz.Deny, Rules: []authz.Rule{{}}},
		}, false},
		{"ALLOW without rules beside ALLOW rules [{}]", []authz.Policy{{Name: "a"}, {Name: "b", Rules: []authz.Rule{{}}}}, true},
		{"AUDIT rules [{}]", []authz.Policy{{Name: "p", Action: authz.Audit, Rules: []authz.Rule{{}}}}, true},
		{"dry run of ALLOW without rules", []authz.Policy{{Name: "p", DryRun: true}}, true},
		{"dry run of DENY rules [{}]", []authz.Policy{{Name: "p", Action: authz.Deny, DryRun: true, Rules: []authz.Rule{{}}}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := allows(engine(t, authz.Config{Policies: tc.policies}), request{}); got != tc.want {
				t.Errorf("allowed %v, want %v", got, tc.want)
			}
		})
	}
}

// An error, a panic or the end of the time in a part of the decision refuses the call, is
// counted, and the process goes on.
func TestScenarioA9_failuresRefuse(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	everything := authz.Rule{}
	custom := []authz.Policy{one("c", authz.Custom, everything)}
	byHeader := when("request.headers[x]", "y")
	for _, tc := range []struct {
		name     string
		policies []authz.Policy
		checker  answers
		ctx      context.Context
		broken   bool // reading a header panics
		code     enmesh.Code
		outcome  enmesh.Outcome
		failures uint64
	}{
		{name: "Checker errs", policies: custom, checker: answers{err: errors.New("no route")}, code: enmesh.Unavailable, outcome: enmesh.Failure, failures: 1},
		{name: "Checker is out of reach", policies: custom, checker: answers{err: &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure}}, code: enmesh.Unavailable, outcome: enmesh.Failure, failures: 1},
		{name: "Checker is out of time", policies: custom, checker: answers{err: context.DeadlineExceeded}, code: enmesh.Unavailable, outcome: enmesh.Failure, failures: 1},
		{name: "Checker says nonsense", policies: custom, checker: answers{err: &enmesh.Error{}}, code: enmesh.Unavailable, outcome: enmesh.Failure, failures: 1},
		{name: "Checker says nonsense neutrally", policies: custom, checker: answers{err: &enmesh.Error{Outcome: enmesh.Neutral}}, code: enmesh.Unavailable, outcome: enmesh.Failure, failures: 1},
		{name: "Checker says nil that is none", policies: custom, checker: answers{err: (*enmesh.Error)(nil)}, code: enmesh.Unavailable, outcome: enmesh.Failure, failures: 1},
		{name: "Checker panics", policies: custom, checker: answers{panic: "boom"}, code: enmesh.Internal, outcome: enmesh.Failure, failures: 1},
		{name: "caller goes while asked for", policies: custom, checker: answers{err: context.Canceled}, ctx: over, code: enmesh.Canceled, outcome: enmesh.Neutral},
		{name: "Checker denies", policies: custom, checker: answers{err: &enmesh.Error{Code: enmesh.Unauthenticated, Outcome: enmesh.Neutral}}, code: enmesh.Unauthenticated, outcome: enmesh.Neutral},
		{name: "Checker says how it failed", policies: custom, checker: answers{err: &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral, Err: authz.ErrNoDecision}}, code: enmesh.PermissionDenied, outcome: enmesh.Neutral, failures: 1},
		{name: "matcher of ALLOW panics", policies: []authz.Policy{one("a", authz.Allow, byHeader, everything)}, broken: true, code: enmesh.Internal, outcome: enmesh.Failure, failures: 1},
		{name: "matcher of DENY panics", policies: []authz.Policy{one("d", authz.Deny, byHeader)}, broken: true, code: enmesh.Internal, outcome: enmesh.Failure, failures: 1},
		{name: "matcher of AUDIT panics", policies: []authz.Policy{one("u", authz.Audit, byHeader)}, broken: true},
		{name: "matcher of a dry run panics", policies: []authz.Policy{{Name: "u", Action: authz.Deny, DryRun: true, Rules: []authz.Rule{byHeader}}}, broken: true},
		{name: "address cannot be known", policies: []authz.Policy{one("a", authz.Allow, from(authz.Source{IPBlocks: []string{"0.0.0.0/0"}}))}, code: enmesh.PermissionDenied, outcome: enmesh.Neutral},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var told notes
			e := engine(t, authz.Config{
				Policies: tc.policies, Checkers: map[string]authz.Checker{"ext": tc.checker}, Recorder: &told,
				Audit: func(context.Context, *enmesh.Call, *authz.Decision) {},
			})
			c := request{from: "-"}.call()
			if tc.broken {
				c.Header = panics{}
			}
			ctx := tc.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			_, err := e.Admit(ctx, c)
			if got := enmesh.CodeOf(err); got != tc.code || enmesh.OutcomeOf(err) != tc.outcome {
				t.Errorf("Admit: %v with outcome %v, want %v and %v", err, enmesh.OutcomeOf(err), tc.code, tc.outcome)
			}
			if got := e.Failures(); got != tc.failures {
				t.Errorf("%d failures are counted, want %d", got, tc.failures)
			}
			if got := len(told); got != int(tc.failures) {
				t.Errorf("the recorder heard %v, want %d decisions", told, tc.failures)
			}
		})
	}
}

type panics struct{ fields }

func (panics) Values(string) []string { panic("boom") }

// What a Config.Audit does wrong is not the call's fault.
func TestEngine_bearsAuditPanic(t *testing.T) {
	e := engine(t, authz.Config{
		Policies: []authz.Policy{one("u", authz.Audit, authz.Rule{})},
		Audit:    func(context.Context, *enmesh.Call, *authz.Decision) { panic("boom") },
	})
	if !allows(e, request{}) {
		t.Error("the call was refused")
	}
}

func TestEngine_asksOnlyOnce(t *testing.T) {
	asked := 0
	e := engine(t, authz.Config{
		Policies: []authz.Policy{one("c", authz.Custom, authz.Rule{}, pathRule("/")), one("d", authz.Custom, authz.Rule{})},
		Checkers: map[string]authz.Checker{"ext": answers{asked: &asked}},
	})
	if !allows(e, request{}) || asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	if d := e.Explain(context.Background(), request{}.call()); d.Provider != "ext" || !d.Allowed || asked != 1 {
		t.Errorf("Explain: %+v after %d questions", d, asked)
	}
}

// A dry run changes no answer, and what it would change is told.
func TestEngine_dryRun(t *testing.T) {
	dry := func(action authz.Action, rules ...authz.Rule) authz.Policy {
		return authz.Policy{Name: "dry", Action: action, DryRun: true, Rules: rules}
	}
	for _, tc := range []struct {
		name           string
		policies       []authz.Policy
		allowed, would bool
		counted        enmesh.Action // in shadow; "": nothing
		shadowPolicy   string
	}{
		{"deny would deny", []authz.Policy{dry(authz.Deny, authz.Rule{})}, true, false, enmesh.ActionRefuse, "dry"},
		{"deny would not match", []authz.Policy{dry(authz.Deny, pathRule("/x"))}, true, true, "", ""},
		{"allow would not match", []authz.Policy{dry(authz.Allow, pathRule("/x"))}, true, false, enmesh.ActionRefuse, ""},
		{"allow would open", []authz.Policy{one("a", authz.Allow), dry(authz.Allow, authz.Rule{})}, false, true, enmesh.ActionAllow, "dry"},
		{"deny beside denied", []authz.Policy{one("d", authz.Deny, authz.Rule{}), dry(authz.Deny, authz.Rule{})}, false, false, "", "d"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var told notes
			var heard *authz.Decision
			e := engine(t, authz.Config{Policies: tc.policies, Recorder: &told, Audit: func(_ context.Context, _ *enmesh.Call, d *authz.Decision) { heard = d }})
			if got := allows(e, request{}); got != tc.allowed {
				t.Errorf("allowed %v, want %v", got, tc.allowed)
			}
			var want notes
			if tc.counted != "" {
				want = notes{{Policy: "authz", Action: tc.counted, Shadow: true}}
			}
			if !reflect.DeepEqual(told, want) {
				t.Errorf("the recorder heard %v, want %v", told, want)
			}
			d := e.Explain(context.Background(), request{}.call())
			if d.Shadow == nil || d.Shadow.Allowed != tc.would || d.Shadow.Policy != tc.shadowPolicy {
				t.Errorf("Explain: shadow %+v, want allowed %v by %q", d.Shadow, tc.would, tc.shadowPolicy)
			}
			if (heard != nil) != (!tc.allowed || tc.would != tc.allowed) {
				t.Errorf("the audit heard %+v", heard)
			}
		})
	}
}

// What AUDIT matches is counted whatever becomes of the call, once, and also where nobody
// is told of it.
func TestEngine_countsAudited(t *testing.T) {
	audited := enmesh.Decision{Policy: "authz", Action: enmesh.ActionAudit}
	for _, tc := range []struct {
		name     string
		policies []authz.Policy
		allowed  bool
		want     notes
	}{
		{"allowed", []authz.Policy{one("u", authz.Audit, authz.Rule{})}, true, notes{audited}},
		{"refused", []authz.Policy{one("u", authz.Audit, authz.Rule{}), one("d", authz.Deny, authz.Rule{})}, false, notes{audited}},
		{"by two", []authz.Policy{one("u", authz.Audit, authz.Rule{}), one("w", authz.Audit, authz.Rule{})}, true, notes{audited}},
		{"another call", []authz.Policy{one("u", authz.Audit, pathRule("/x"))}, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var told notes
			if got := allows(engine(t, authz.Config{Policies: tc.policies, Recorder: &told}), request{}); got != tc.allowed {
				t.Errorf("allowed %v, want %v", got, tc.allowed)
			}
			if !reflect.DeepEqual(told, tc.want) {
				t.Errorf("the recorder heard %v, want %v", told, tc.want)
			}
		})
	}
}

// What callers see of a refusal.
func TestEngine_refusal(t *testing.T) {
	deny := []authz.Policy{one("d", authz.Deny, authz.Rule{})}
	c := request{}.call()
	_, err := engine(t, authz.Config{Policies: deny}).Admit(context.Background(), c)
	e := enmesh.ErrorOf(err)
	if e == nil || e.Code != enmesh.PermissionDenied || e.Outcome != enmesh.Neutral || e.Status != 403 || e.Policy != "authz" || !e.Unsent || !errors.Is(err, authz.ErrDenied) {
		t.Errorf("Admit: %#v", e)
	}
	if r := c.ReplyFor(err); r == nil || r.Status != 403 || string(r.Body) != "RBAC: access denied" {
		t.Errorf("the answer is %+v", r)
	}
	c = request{grpc: true, path: "/pkg.Svc/M"}.call()
	_, err = engine(t, authz.Config{Policies: deny}).Admit(context.Background(), c)
	if enmesh.CodeOf(err) != enmesh.PermissionDenied || err.Error() != "authz: RBAC: access denied" {
		t.Errorf("Admit in gRPC: %v", err)
	}
}

// With Hide, who may not see a thing cannot tell that it is there.
func TestScenarioA11_hidesWhatIsDenied(t *testing.T) {
	deny := []authz.Policy{one("d", authz.Deny, authz.Rule{})}
	e := engine(t, authz.Config{Policies: deny, Hide: true})
	c := request{}.call()
	_, err := e.Admit(context.Background(), c)
	there := httptest.NewRecorder()
	http.NotFound(there, httptest.NewRequest(http.MethodGet, "/", nil))
	r := c.ReplyFor(err)
	if r == nil || r.Status != there.Code || string(r.Body) != there.Body.String() || !reflect.DeepEqual(http.Header(r.Header), there.Header()) {
		t.Errorf("the answer is %+v, want that of http.NotFound: %v", r, there.Result())
	}
	_, err = e.Admit(context.Background(), request{grpc: true, path: "/pkg.Svc/M"}.call())
	if got, want := err.Error(), "unknown method M for service pkg.Svc"; got != want || enmesh.CodeOf(err) != enmesh.Unimplemented {
		t.Errorf("Admit in gRPC: %v (%v), want %v", err, enmesh.CodeOf(err), want)
	}
	if !errors.Is(err, authz.ErrDenied) || enmesh.ErrorOf(err).Policy != "authz" {
		t.Errorf("inside, the refusal is %v", err)
	}
}

func TestEngine_conforms(t *testing.T) {
	enmeshtest.TestGate(t, func() enmesh.Gate { return engine(t, authz.Config{}) })
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return engine(t, authz.Config{}).Middleware() })
}

func TestEngine_middlewareRefuses(t *testing.T) {
	e := engine(t, authz.Config{Policies: []authz.Policy{one("d", authz.Deny, pathRule("/admin"))}})
	ran := 0
	next := e.Middleware()(func(context.Context, *enmesh.Call) error { ran++; return nil })
	if err := next(context.Background(), request{path: "/admin"}.call()); !errors.Is(err, authz.ErrDenied) || ran != 0 {
		t.Errorf("refused with %v, and the handler ran %d times", err, ran)
	}
	if err := next(context.Background(), request{path: "/"}.call()); err != nil || ran != 1 {
		t.Errorf("allowed with %v, and the handler ran %d times", err, ran)
	}
}
