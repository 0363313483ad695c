// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/enmeshtest"
)

// TestScenarioD16_firstLookupFails: the very first question fails, and the second does not.
// The first caller waits for it, and no later one hears of the failure.
func TestScenarioD16_firstLookupFails(t *testing.T) {
	for name, reply := range map[string]enmeshtest.ConsulReply{
		"no leader": {Status: 500, Body: []byte("No cluster leader")},
		"refused":   {Status: 403, Body: []byte("Permission denied")},
		"HTML":      {Body: []byte("<html>")},
		"cut":       {Cut: 3},
		"silence":   {Hang: true, Cut: 3},
		"broken":    {Cut: -1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 1)
			l.registry.Script(healthPath, reply)
			l.open()
			call := l.callers()
			first, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			began := time.Now()
			if _, err := call(first, "first"); err != nil {
				t.Errorf("the first caller: %v", err)
			}
			t.Logf("the first caller had an answer after %v", time.Since(began).Round(time.Millisecond))
			began = time.Now()
			second, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			if _, err := call(second, "second"); err != nil {
				t.Errorf("the second caller: %v", err)
			}
			took := time.Since(began)
			t.Logf("the second one after %v", took.Round(time.Millisecond))
			if took > time.Second {
				t.Errorf("the second caller waited %v, want 1 s", took)
			}
		})
	}
}

// TestScenarioD16_serviceIsUnknownAtFirst: the first question finds nobody, since the service
// is only about to be registered.
func TestScenarioD16_serviceIsUnknownAtFirst(t *testing.T) {
	l := newLab(t, 1)
	l.registry.Set(shop)
	l.open()
	call := l.callers()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if _, err := call(ctx, "first"); err == nil {
		t.Error("a call was answered by nobody")
	}
	l.registry.Set(shop, l.instances()...)
	took := l.within(10*time.Second, "a caller has an answer", func() bool { _, err := call(ctx, "second"); return err == nil })
	t.Logf("a caller had an answer %v after the registration", took.Round(time.Millisecond))
	if took > 3*time.Second {
		t.Errorf("callers waited %v, want 1 s", took)
	}
}

// TestScenarioD16_firstCallerGivesUp: a caller who could not wait for the registry leaves
// nothing behind that keeps the next one from its answer.
func TestScenarioD16_firstCallerGivesUp(t *testing.T) {
	l := newLab(t, 1)
	l.registry.Down()
	l.open()
	call := l.callers()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := call(ctx, "first"); err == nil {
		t.Error("a call was answered while nothing was known")
	}
	if err := l.registry.Up(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ctx, cancel = context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if _, err := call(ctx, "second"); err != nil {
		t.Errorf("the second caller: %v", err)
	}
	took := time.Since(began)
	t.Logf("the second caller had an answer %v after the registry was up", took.Round(time.Millisecond))
	if took > 3*time.Second {
		t.Errorf("the second caller waited %v, want about 1 s", took)
	}
}

// mentions reports whether the text of err has part in it.
func mentions(err error, part string) bool { return err != nil && strings.Contains(err.Error(), part) }
