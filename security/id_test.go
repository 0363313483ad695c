// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/enmesh-go/enmesh/security"
)

func ExampleParseID() {
	id, err := security.ParseID("spiffe://cluster.local/ns/default/sa/bookinfo-reviews")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id.TrustDomain(), id.Namespace(), id.ServiceAccount())
	fmt.Println(id.Principal())
	_, err = security.ParseID("spiffe://cluster.local/ns/default/sa/../admin")
	fmt.Println(errors.Is(err, security.ErrInvalidID))
	// Output:
	// cluster.local default bookinfo-reviews
	// cluster.local/ns/default/sa/bookinfo-reviews
	// true
}

func ExampleIDFor() {
	id, err := security.IDFor("cluster.local", "default", "bookinfo-reviews")
	fmt.Println(id, err)
	// Output: spiffe://cluster.local/ns/default/sa/bookinfo-reviews <nil>
}

func TestParseID_refuses(t *testing.T) {
	long := strings.Repeat("a", 2100)
	for _, s := range []string{
		"", "spiffe://", "spiffe://td", "spiffe://td/", "spiffe:///a", "td/a", "http://td/a", "SPIFFE://td/a",
		"spiffe://TD/a", "spiffe://td:80/a", "spiffe://u@td/a", "spiffe://td/a/", "spiffe://td//a", "spiffe://td/a/../b",
		"spiffe://td/./a", "spiffe://td/%2e%2e/a", "spiffe://td/a%20b", "spiffe://td/a b", "spiffe://td/a?x", "spiffe://td/a#x",
		"spiffe://td/a\x00", "spiffe://td/\u00e9", "spiffe://td/*", " spiffe://td/a", "spiffe://td/a\n",
		"spiffe://td/" + long, "spiffe://" + strings.Repeat("a", 256) + "/a",
	} {
		if id, err := security.ParseID(s); !errors.Is(err, security.ErrInvalidID) || !id.IsZero() {
			t.Errorf("ParseID(%.40q) = %v, %v; want ErrInvalidID", s, id, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("ParseID(%.40q): the error has %d bytes", s, len(err.Error()))
		}
	}
}

func TestIDFor_refuses(t *testing.T) {
	for _, in := range [][3]string{
		{"", "ns", "sa"}, {"td", "", "sa"}, {"td", "ns", ""}, {"td", "a/b", "sa"}, {"td", "ns", "a/sa/b"}, {"td", "..", "sa"},
		{"spiffe://td", "ns", "sa"}, {"td/x", "ns", "sa"}, {"Td", "ns", "sa"}, {"td", "ns", "a b"}, {"td", "ns", strings.Repeat("a", 2100)},
	} {
		if id, err := security.IDFor(in[0], in[1], in[2]); !errors.Is(err, security.ErrInvalidID) || !id.IsZero() {
			t.Errorf("IDFor(%.40q) = %v, %v; want ErrInvalidID", in, id, err)
		}
	}
}

func TestID_parts(t *testing.T) {
	for _, tt := range []struct{ in, ns, sa string }{
		{"spiffe://td/ns/a/sa/b", "a", "b"},
		{"spiffe://td/ns/a/sa/b/c", "", ""},
		{"spiffe://td/ns/a/x/sa/b", "", ""},
		{"spiffe://td/x/ns/a/sa/b", "", ""},
		{"spiffe://td/ns/sa/sa/ns", "sa", "ns"},
		{"spiffe://td/workload", "", ""},
	} {
		id := security.MustParseID(tt.in)
		if id.Namespace() != tt.ns || id.ServiceAccount() != tt.sa || id.String() != tt.in {
			t.Errorf("%s: namespace %q, account %q; want %q, %q", id, id.Namespace(), id.ServiceAccount(), tt.ns, tt.sa)
		}
	}
	var zero security.ID
	if zero.String() != "" || zero.TrustDomain() != "" || zero.Path() != "" || zero.Namespace() != "" || !zero.IsZero() {
		t.Error("the zero ID names somebody")
	}
}

func TestID_text(t *testing.T) {
	type doc struct{ A, B security.ID }
	in := doc{A: security.MustParseID("spiffe://td/a")}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out doc
	if err := json.Unmarshal(data, &out); err != nil || out != in {
		t.Errorf("%s read back is %v, %v", data, out, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"spiffe://td"}`), &out); !errors.Is(err, security.ErrInvalidID) {
		t.Errorf("a bad ID: %v", err)
	}
}

func TestMustParseID_panics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it did not panic")
		}
	}()
	security.MustParseID("nobody")
}

func TestMatchers(t *testing.T) {
	id := security.MustParseID
	b, bc := id("spiffe://td/ns/a/sa/b"), id("spiffe://td/ns/a/sa/bc")
	tests := []struct {
		name string
		m    security.Matcher
		peer security.ID
		want bool
	}{
		{"itself", b, b, true},
		{"longer", b, bc, false},
		{"shorter", bc, b, false},
		{"other domain", b, id("spiffe://td2/ns/a/sa/b"), false},
		{"zero and zero", security.ID{}, security.ID{}, false},
		{"any of", security.AnyOf(bc, b), b, true},
		{"any of others", security.AnyOf(bc), b, false},
		{"any of none", security.AnyOf(), b, false},
		{"any of zero", security.AnyOf(security.ID{}), security.ID{}, false},
		{"in domain", security.InTrustDomain("td"), b, true},
		{"in a domain whose name it begins with", security.InTrustDomain("t"), b, false},
		{"in no domain", security.InTrustDomain(""), security.ID{}, false},
	}
	for _, tt := range tests {
		if got := tt.m.MatchID(tt.peer); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

// FuzzParseID holds the parser against go-spiffe's: it accepts nothing more, and
// less only where a rule of ours says so.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{"spiffe://td/ns/a/sa/b", "spiffe://td", "spiffe://td/a%2fb", "spiffe://td/a/../b", "SPIFFE://td/a", "spiffe://[::1]/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := security.ParseID(s)
		theirs, theirErr := spiffeid.FromString(s)
		if err != nil {
			ours := theirErr == nil && (theirs.Path() == "" || len(s) > 2048 || len(theirs.TrustDomain().Name()) > 255)
			if !errors.Is(err, security.ErrInvalidID) || !id.IsZero() || theirErr == nil && !ours {
				t.Fatalf("ParseID(%q) = %v, %v; go-spiffe: %v, %v", s, id, err, theirs, theirErr)
			}
			return
		}
		if theirErr != nil || id.String() != s || !id.MatchID(id) {
			t.Fatalf("ParseID(%q) = %v; go-spiffe: %v", s, id, theirErr)
		}
		u, err := url.Parse(s)
		if err != nil || u.Host != id.TrustDomain() || u.Path != id.Path() || u.String() != s {
			t.Fatalf("ParseID(%q) = %v; as a URL it is %v, %v", s, id, u, err)
		}
		if ns, sa := id.Namespace(), id.ServiceAccount(); ns != "" {
			if again, err := security.IDFor(id.TrustDomain(), ns, sa); err != nil || again != id {
				t.Fatalf("IDFor of %v = %v, %v", id, again, err)
			}
		}
	})
}
