// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// theirs is the path of what each user keeps private.
var theirs = regexp.MustCompile(`^/users/[^/]+/private/?$`)

// ofUsers gives what is private of any user, as a reader reads the path.
func ofUsers(read reader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if theirs.MatchString(read(r)) {
			_, _ = io.WriteString(w, hidden)
			return
		}
		http.NotFound(w, r)
	})
}

// The same tricks inside a segment that a template stands for: whatever a user is called,
// what is private is kept, and what is ambiguous is refused as such.
func TestScenarioA1_insideASegment(t *testing.T) {
	const dotless = "adm\u0131n"
	plain := []string{"a", "%61", "a.", "a%20", "%23", "%3f", "*", "{*}", "%7B*%7D", "{**}", dotless, "\uff0e\uff0e", "...", "a%2e", "%40", "~", "'", "&x=1", "+", "a:b"}
	gone := []string{"", ".", "..", "%2e", "%2e%2e", ".%2e", "/", "a/..", "a/../b", "../users/a", "a/b"} // other paths, or the same one
	doubtful := []string{"%2f", "..%2f", "%5c", `\`, "..%5c", ";x=1", "..;", ";", "%00", "%0a", "%0d%0a", "%09", "#f", "%2561", "%252e%252e", "%c0%ae", "%e0%80%ae", "%zz", "%"}
	keep := map[string]authz.Policy{
		"DENY by template":  {Action: authz.Deny, Rules: toPaths("/users/{*}/private", "/users/{*}/private/")},
		"DENY by templates": {Action: authz.Deny, Rules: toPaths("/users/{*}/{*}", "/users/{**}")},
		"ALLOW by template": {Action: authz.Allow, Rules: toPaths("/users/{*}/public")},
		"DENY but by template": {Action: authz.Deny, Rules: []authz.Rule{{To: []authz.Operation{{
			NotPaths: []string{"/users/{*}/public"},
		}}}}},
	}
	var checked atomic.Int64
	for name, read := range readers {
		h := ofUsers(read)
		open := dialRaw(t, fenced(t, name, h, ban(func(*enmesh.Call) bool { return true }), &checked))
		if _, body := open.send("GET /users/a/private"); body != hidden {
			t.Errorf("%s: without a rule nothing is given: %q", name, body)
		}
		for rule, p := range keep {
			p.Name, p.Namespace, p.Origin = "keep", "default", "keep.yaml:1"
			engine, err := authz.New(authz.Config{Policies: []authz.Policy{p}})
			if err != nil {
				t.Fatalf("%s: %v", rule, err)
			}
			c := dialRaw(t, fenced(t, name, h, enmesh.Guard(engine), &checked))
			for _, user := range slices.Concat(plain, gone, doubtful) {
				for _, target := range []string{"/users/" + user + "/private", "/users/b" + user + "/private", "/users/" + user + "b/private", "/users/" + user + "/private/"} {
					status, body := c.send("GET " + target)
					if strings.Contains(body, hidden) {
						t.Errorf("%s, %s: %q is given what is private", name, rule, target)
					}
					if slices.Contains(doubtful, user) && status != 400 {
						t.Errorf("%s, %s: %q: status %d, want 400", name, rule, target, status)
					}
					folded := user == dotless && slices.Contains(folds, name) // letters that fold to others are refused there
					if want := map[bool]int{false: 403, true: 400}[folded]; slices.Contains(plain, user) && status != want {
						t.Errorf("%s, %s: %q: status %d, want %d", name, rule, target, status, want)
					}
				}
			}
		}
	}
}
