// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"encoding/json"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// of is a call on behalf of who has these claims; nil: of nobody.
func of(claims map[string]any) *enmesh.Call {
	c := &enmesh.Call{Side: enmesh.Server, Clock: enmesh.Now()}
	if claims != nil {
		c.SetAuth(&enmesh.Auth{Claims: claims})
	}
	return c
}

func TestByClaim_itsText(t *testing.T) {
	for name, tt := range map[string]struct {
		claims map[string]any
		text   string
		ok     bool
	}{
		"text":         {map[string]any{"tenant": "a"}, "a", true},
		"empty":        {map[string]any{"tenant": ""}, "", true},
		"a number":     {map[string]any{"tenant": json.Number("12345678901234567890")}, "12345678901234567890", true},
		"a truth":      {map[string]any{"tenant": true}, "true", true},
		"a list":       {map[string]any{"tenant": []any{"a", "b"}}, `["a","b"]`, true},
		"an object":    {map[string]any{"tenant": map[string]any{"z": "1", "a": "2"}}, `{"a":"2","z":"1"}`, true},
		"null":         {map[string]any{"tenant": nil}, "", false},
		"another":      {map[string]any{"sub": "a"}, "", false},
		"no token":     {nil, "", false},
		"without json": {map[string]any{"tenant": func() {}}, "", false},
	} {
		if text, ok := limit.TextOf(limit.ByClaim("tenant"), of(tt.claims)); text != tt.text || ok != tt.ok {
			t.Errorf("%s: got %q, %v; want %q, %v", name, text, ok, tt.text, tt.ok)
		}
	}
}

// Each value of the claim has a limit of its own; who has no token shares one with all who
// have none, and a name that is none is refused.
func TestByClaim_whoSharesALimit(t *testing.T) {
	l, err := limit.NewKeyed(limit.KeyedConfig{By: limit.ByClaim("sub"), Each: limit.Config{Rate: 0.001, Burst: 2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []map[string]any{{"sub": "ann"}, {"sub": "bob"}, nil} {
		admitted := 0
		for range 5 {
			if _, err := l.Admit(t.Context(), of(who)); err == nil {
				admitted++
			}
		}
		if admitted != 2 {
			t.Errorf("%v: %d of 5 admitted, want 2", who, admitted)
		}
	}
	if _, err := l.Admit(t.Context(), of(map[string]any{"tenant": "x"})); err == nil {
		t.Error("a token without the claim escapes the limit of who has none")
	}
	if name := "sub"; limit.ByClaim(name) != limit.ByClaim("sub") || limit.ByClaim(name) == limit.ByClaim("tenant") {
		t.Error("keys are not compared by what they say")
	}
	if _, err := limit.NewKeyed(limit.KeyedConfig{By: limit.ByClaim(""), Each: limit.Config{Rate: 1}}); err == nil {
		t.Error("a claim without a name is taken")
	}
}
