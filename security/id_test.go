// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

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

// workloadID is the grammar of a workload's ID, as the SPIFFE ID standard has it: the scheme
// (section 2), the trust domain (2.1), and segments of which none is empty, "." or ".."
// (2.2). The length of the whole (2.3) is beyond a regular expression.
var workloadID = regexp.MustCompile(`\Aspiffe://([a-z0-9._-]{1,255})((/([A-Za-z0-9_-][A-Za-z0-9._-]*|\.[A-Za-z0-9_-][A-Za-z0-9._-]*|\.\.[A-Za-z0-9._-]+))+)\z`)

// FuzzParseID holds the parser against the standard's grammar, and what it accepts against
// net/url.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{"spiffe://td/ns/a/sa/b", "spiffe://td", "spiffe://td/a%2fb", "spiffe://td/a/../b", "SPIFFE://td/a", "spiffe://[::1]/a",
		"spiffe://t.d-1_2/.a/..b/.../a.", "spiffe://td/a/", "spiffe://td//a", "spiffe://td/.", "spiffe://td/A", "spiffe://tD/a",
		"spiffe://" + strings.Repeat("a", 255) + "/b", "spiffe://" + strings.Repeat("a", 256) + "/b",
		"spiffe://td/" + strings.Repeat("a", 2036), "spiffe://td/" + strings.Repeat("a", 2037),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := security.ParseID(s)
		parts := workloadID.FindStringSubmatch(s)
		if want := parts != nil && len(s) <= 2048; (err == nil) != want {
			t.Fatalf("ParseID(%q) = %v, %v; want it accepted: %t", s, id, err, want)
		}
		if err != nil {
			if !errors.Is(err, security.ErrInvalidID) || !id.IsZero() {
				t.Fatalf("ParseID(%q) = %v, %v; want nobody, and ErrInvalidID", s, id, err)
			}
			return
		}
		if id.String() != s || id.TrustDomain() != parts[1] || id.Path() != parts[2] || !id.MatchID(id) {
			t.Fatalf("ParseID(%q) = %v, of %q and %q; want %q and %q", s, id, id.TrustDomain(), id.Path(), parts[1], parts[2])
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
