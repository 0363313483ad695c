// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// Whatever the patterns, valid or not: nothing breaks, and what is picked is matched by one
// of them.
func FuzzDistribute(f *testing.F) {
	f.Add("r1/z1/*", "r1/z2/*", "r2", "r1/z2/s1")
	f.Add("*", "*", "r1/z1/s1", "r1/z1/s1")
	f.Add("r1/z1/s1", "r2/*/s1", "*/z1", "r2/z9/s1")
	f.Add("", "/", "a/b/c/d", "r*/z")
	f.Fuzz(func(t *testing.T, from, first, second, at string) {
		locality, err := discovery.ParseLocality(at)
		if err != nil {
			t.Skip()
		}
		cfg := spreadOver(from, balance.LocalityShare{Locality: first, Percent: 60}, balance.LocalityShare{Locality: second, Percent: 40})
		cfg.Distribute = cfg.Distribute[1:]
		valid := cfg.Validate() == nil
		eps := in(1, "r1/z1/s1")
		eps[0].Locality = locality
		_, err = placed(cfg, eps, 0).Picker().Pick(nil)
		if !valid {
			return
		}
		in1 := prefer.Local.String()
		want := !covers(from, in1) || covers(first, at) || covers(second, at)
		if (err == nil) != want {
			t.Errorf("from %q to %q and %q, endpoint in %q: %v, want a pick: %t", from, first, second, at, err, want)
		}
	})
}

// covers is what a pattern means, said otherwise.
func covers(pattern, at string) bool {
	parts := strings.Split(at+"//", "/")
	for i, p := range strings.Split(pattern, "/") {
		if p != "*" && p != parts[i] {
			return false
		}
	}
	return true
}
