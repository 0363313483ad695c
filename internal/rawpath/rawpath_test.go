// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rawpath_test

import (
	"net/url"
	"testing"

	"github.com/enmesh-go/enmesh/internal/rawpath"
)

func TestKeep(t *testing.T) {
	for _, tt := range []struct{ path, raw, to, want string }{
		{"/old/a/b", "/old/a%2Fb", "/new/a/b", "/new/a%2Fb"},
		{"/old/a/b", "/old/a%2fb", "/old/a/b", "/old/a%2fb"},
		{"/old/a b", "", "/new/a b", ""},
		{"/old/ü;x", "/old/%C3%BC;x", "/n w/ü;x", "/n%20w/%C3%BC;x"},
		{"/a/b", "/a%2Fb", "/c", "/c"},
		{"/a/b", "/a%2Fb", "", ""},
		{"/b", "%2Fb", "/x/b", "/x%2Fb"},
	} {
		if got := rawpath.Keep(tt.path, tt.raw, tt.to); got != tt.want {
			t.Errorf("%q written %q becomes %q: written %q, want %q", tt.path, tt.raw, tt.to, got, tt.want)
		}
	}
}

// FuzzKeep holds that what is kept still stands for the new path.
func FuzzKeep(f *testing.F) {
	f.Add("/old/a%2Fb", "/new/a/b")
	f.Add("/%61%2e%2E;", "/a..;")
	f.Add("%2Fb", "/x/b")
	f.Fuzz(func(t *testing.T, raw, to string) {
		path, err := url.PathUnescape(raw)
		if err != nil {
			return
		}
		kept := rawpath.Keep(path, raw, to)
		if raw == "" {
			if kept != "" {
				t.Fatalf("kept %q of nothing", kept)
			}
			return
		}
		if got, err := url.PathUnescape(kept); err != nil || got != to {
			t.Fatalf("%q becomes %q, written %q, which is %q (%v)", raw, to, kept, got, err)
		}
	})
}
