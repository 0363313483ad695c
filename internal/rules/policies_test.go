// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/internal/rules"
)

func TestShadow(t *testing.T) { report(t, rules.CheckShadow(files(t), rules.NoShadow)) }

func TestCheckShadow_namesPolicies(t *testing.T) {
	const makes = "func New(cfg Config) (enmesh.Middleware, error) { return nil, nil }\n"
	const admits = "func (g *Gate) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) { return t, nil }\n"
	got := rules.CheckShadow([]*rules.File{
		file(t, "resilience/good/a.go", head+"package good\n"+makes+"type Config struct { Shadow bool; Recorder enmesh.Recorder }\n"),
		file(t, "resilience/half/a.go", head+"package half\n"+makes),
		file(t, "resilience/half/b.go", head+"package half\ntype Config struct { Recorder enmesh.Recorder }\n"),
		file(t, "resilience/bare/a.go", head+"package bare\n"+makes+"type Config struct{}\n"),
		file(t, "resilience/excused/a.go", head+"package excused\n"+makes+"type Config struct{}\n"),
		file(t, "limit/plain/a.go", head+"package plain\nfunc New(cfg Config) (*Gate, error) { return nil, nil }\ntype Config struct{}\n"+admits),
		file(t, "limit/tried/a.go", head+"package tried\n"+admits),
		file(t, "limit/tried/a_test.go", head+"package tried\nfunc f() { enmeshtest.TestGate(t, build) }\n"),
		file(t, "telemetry/a.go", head+"package telemetry\n"+admits),
	}, map[string]string{"resilience/excused": "it does nothing"})
	wantProblems(t, got, []string{
		"resilience/half: New makes a middleware, and its Config has no Shadow",
		"resilience/bare: New makes a middleware, and its Config has no Shadow",
		"resilience/bare: New makes a middleware, and its Config has no Recorder",
		"limit/plain/a.go:7: no test puts this gate through enmeshtest.TestGate",
	})
}
