// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// Patterns with wildcards anywhere against regular expressions.
func FuzzGlob(f *testing.F) {
	f.Add("a*b*c", "aXbYc")
	f.Fuzz(func(t *testing.T, pattern, v string) {
		re, err := regexp.Compile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + `\z`)
		if err != nil || len(pattern) > 100 || !utf8.ValidString(pattern) || !utf8.ValidString(v) { // expressions are of characters, globs of bytes
			return
		}
		if got, want := glob(pattern, v), re.MatchString(v); got != want {
			t.Fatalf("glob(%q, %q) is %v, want %v", pattern, v, got, want)
		}
	})
}
