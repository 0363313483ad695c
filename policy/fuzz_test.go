// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// FuzzParse holds that any text either loads, and then compiles to rules that can be
// asked, or is refused with problems that have a place and a message.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"documents/*.*", "refused/*.yaml", "refused/*.json"} {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 4096 {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := policy.Parse([]policy.File{{Name: "f.yaml", Data: data}})
		if err != nil {
			var e *policy.Error
			if !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("got %T %v, want an *Error with problems", err, err)
			}
			for _, p := range e.Problems {
				if p.File != "f.yaml" || p.Message == "" || p.Line < 0 || p.Line > breaks(string(data))+2 {
					t.Fatalf("got problem %+v", p)
				}
			}
			return
		}
		for _, svc := range s.Services {
			for _, r := range svc.Rules {
				if r.Refused == "" && len(r.Split) == 0 {
					t.Fatalf("rule %s has no target", r.Origin)
				}
				r.Matches(&enmesh.Call{Path: "/", Method: "GET"})
			}
			for _, host := range svc.Hosts {
				if s.Service(host) != svc {
					t.Fatalf("host %q is not found", host)
				}
			}
		}
		for _, d := range s.Destinations {
			for _, subset := range append(d.Subsets(), "") {
				if d.Traffic(subset, 80).Algorithm == "" {
					t.Fatalf("%s: no algorithm", d.Origin)
				}
			}
		}
	})
}

// breaks counts what YAML takes for the end of a line.
func breaks(text string) (n int) {
	for _, r := range text {
		if strings.ContainsRune("\n\r\u0085\u2028\u2029", r) {
			n++
		}
	}
	return n
}
