// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzParseStatuses reads lists of statuses: what is accepted has a status, and none
// outside 100 to 599, and reads the same when it is written out one by one.
func FuzzParseStatuses(f *testing.F) {
	for _, s := range []string{"200", "200-299,404", " 200 - 204 , 301", "", ",", "-", "599-100", "100-599", "99", "2e2", "+200"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		s, err := parseStatuses(list)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "health: ") {
				t.Errorf("error %q does not name its package", err)
			}
			return
		}
		var all []string
		for i := range 1000 {
			if s.has(i) {
				all = append(all, fmt.Sprint(i))
			}
		}
		if again, err := parseStatuses(strings.Join(all, ",")); len(all) == 0 || err != nil || again != s {
			t.Errorf("%q reads as %q, which reads as something else (%v)", list, all, err)
		}
	})
}
