// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package headername_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/internal/headername"
)

func TestList_Has(t *testing.T) {
	l, err := headername.Parse([]string{"X-User", "x-auth-*", "*-Token"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"x-user": true, "X-USER": true, "x-user2": false, "x-auth-": true, "X-Auth-Group": true, "x-auth": false,
		"a-token": true, "-token": true, "token": false, "": false,
	} {
		if got := l.Has(name); got != want {
			t.Errorf("Has(%q) = %t, want %t", name, got, want)
		}
	}
	if all, err := headername.Parse([]string{"*"}); err != nil || !all.Has("anything") || !all.Patterns() {
		t.Errorf("a list of all names: %v, %v", all, err)
	}
	if l.Empty() || !(headername.List{}).Empty() || len(l.Exact()) != 1 {
		t.Errorf("got the exact names %q of %v", l.Exact(), l)
	}
}

func TestParse_refuses(t *testing.T) {
	for _, v := range []string{"", "a b", "a:b", "x-*-y", "**", "*a*", "a\n", "ä", "*:", ":path"} {
		if l, err := headername.Parse([]string{v}); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", v, l)
		}
	}
}

func TestValidValue(t *testing.T) {
	for value, want := range map[string]bool{"": true, "a b\tc": true, "\xff": true, "a\r\nb": false, "a\x00": false, "\x7f": false} {
		if got := headername.ValidValue(value); got != want {
			t.Errorf("ValidValue(%q) = %t, want %t", value, got, want)
		}
	}
}
