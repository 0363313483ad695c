// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/enmesh-go/enmesh/security"
)

// meant is why security.ParseID refuses what go-spiffe accepts; "": it is to accept it too.
func meant(s string, id spiffeid.ID) string {
	switch {
	case id.Path() == "":
		return "a trust domain is no workload"
	case len(s) > 2048:
		return "the standard's bound of an ID (SPIFFE-ID, 2.3)"
	case len(id.TrustDomain().Name()) > 255:
		return "the standard's bound of a trust domain (SPIFFE-ID, 2.1)"
	}
	return ""
}

// FuzzParseID holds security.ParseID against go-spiffe's own readers, of texts and of URLs:
// it accepts what they accept, but for what is meant, and the parts are the same. Nothing
// that they refuse is anybody here.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{
		"spiffe://td/ns/a/sa/b", "spiffe://td", "spiffe://td/", "spiffe:///a", "SPIFFE://td/a", "spiffe://tD/a", "spiffe://td/a%2fb",
		"spiffe://td/a/../b", "spiffe://td//a", "spiffe://td:1/a", "spiffe://u@td/a", "spiffe://td/a?q", "spiffe://td/a#f", "spiffe://[::1]/a",
		"spiffe://td/" + strings.Repeat("a", 2036), "spiffe://td/" + strings.Repeat("a", 2037),
		"spiffe://" + strings.Repeat("a", 255) + "/b", "spiffe://" + strings.Repeat("a", 256) + "/b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := security.ParseID(s)
		theirs, theirErr := spiffeid.FromString(s)
		if theirErr != nil {
			if err == nil {
				t.Fatalf("ParseID(%q) = %v, and go-spiffe refuses it: %v", s, ours, theirErr)
			}
			return
		}
		why := meant(s, theirs)
		if (err == nil) != (why == "") {
			t.Fatalf("ParseID(%q) = %v, %v, and go-spiffe accepts it; meant: %q", s, ours, err, why)
		}
		if err != nil {
			return
		}
		if ours.String() != theirs.String() || ours.TrustDomain() != theirs.TrustDomain().Name() || ours.Path() != theirs.Path() {
			t.Fatalf("ParseID(%q) = %v of %q and %q, go-spiffe has %v", s, ours, ours.TrustDomain(), ours.Path(), theirs)
		}
		u, err := url.Parse(s)
		if err != nil {
			t.Fatalf("%q is no URL: %v", s, err)
		}
		if id, err := spiffeid.FromURI(u); err != nil || id != theirs {
			t.Fatalf("as the URL of a certificate %q is %v, %v to go-spiffe", s, id, err)
		}
	})
}
