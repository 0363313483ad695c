// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// hidden is the body that nobody may be given: of /admin/secret.
const hidden = "the body of the secret file"

// trick is a request for something else, and what is to be answered to it where "/admin*"
// is denied and the rest is allowed.
type trick struct {
	line  string // method and target
	lines []string
	want  []int
}

var (
	ambiguous = []int{400}
	denied    = []int{403}
	distinct  = []int{404, 403}
)

// tricks are the requests of the list of request targets, by its rows.
var tricks = slices.Concat(
	gets(denied, "/admin/secret", "//admin/secret", "/admin//secret", "///admin/secret", "/./admin/secret", "/public/../admin/secret",
		"/public/%2e%2e/admin/secret", "/public/.%2e/admin/secret"), // 1-8
	gets(ambiguous, "/public/..%2fadmin/secret", "/public%2f..%2fadmin/secret", "/admin%2fsecret", "/admin%2Fsecret", "/%2fadmin/secret",
		"/admin%5csecret", `/public\..\admin/secret`, "/public/..%5cadmin/secret"), // 9-15
	gets(denied, "/%61dmin/secret"),                                                                                        // 16
	gets(distinct, "/%41dmin/secret", "/ADMIN/secret", "/Admin/secret"),                                                    // 17
	gets(ambiguous, "/admin;x=1/secret", "/admin/;/secret", "/admin/secret;v=1", "/public/..;/admin/secret"),               // 18-20
	gets(distinct, "/admin.", "/admin./secret", "/admin%20/secret"),                                                        // 21, 22
	gets(ambiguous, "/admin%09/secret", "/admin/secret%00", "/admin%00/secret", "/admin/secret%0a", "/admin/secret%0d%0a"), // 22-24
	gets(ambiguous, "/admin/secret#frag", "/admin#x/secret"),                                                               // 25
	gets(distinct, "/admin%23/secret", "/admin%3fx/secret"),                                                                // 26
	gets(denied, "/admin/secret?x=/public/", "/admin/secret?/../public"),                                                   // 27
	gets(ambiguous, "/%2561dmin/secret", "/public/%252e%252e/admin/secret"),                                                // 28, 29
	gets(ambiguous, "/%c0%ae%c0%ae/admin/secret", "/%e0%80%ae%e0%80%ae/admin/secret", "/%c0%afadmin"),                      // 30
	gets(distinct, "/adm\u0131n/secret", "/\uff0e\uff0e/admin"),                                                            // 31
	gets(denied, "/admin", "/admin/", "/admin/.", "/admin/secret/"), gets([]int{200, 404}, "/admin/.."),                    // 32
	gets(denied, "/..//admin/secret", "/public/../../admin/secret"),                                                            // 33
	gets(denied, "http://evil.example/admin/secret", "HTTP://127.0.0.1/public/../admin/secret"),                                // 34, 35
	gets(ambiguous, "admin/secret", "", "?x", "/%zz/a", "/a%", "/%u0061dmin/", "/admin\t/secret", "*", "ftp://h/admin/secret"), // 36, 37
	[]trick{{"OPTIONS *", nil, []int{200}}, {"CONNECT /public/../admin/secret", nil, ambiguous}, {"CONNECT shop:443", nil, ambiguous}},
	[]trick{{"get /admin/secret", nil, []int{405}}, {"GeT /admin/secret", nil, []int{405}}, {"FOO /admin/secret", nil, []int{405}}, {"HEAD /admin/secret", nil, denied}},
	overridden("X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Envoy-Original-Path", "X-Forwarded-Prefix", "X-Forwarded-Uri"), // 40
)

func gets(want []int, targets ...string) (ts []trick) {
	for _, target := range targets {
		ts = append(ts, trick{"GET " + target, nil, want})
	}
	return ts
}

// overridden are requests whose headers say that they are for something else.
func overridden(keys ...string) (ts []trick) {
	for _, key := range keys {
		ts = append(ts, trick{"GET /admin/secret", []string{key + ": /public/"}, denied}, trick{"GET /public/", []string{key + ": /admin/secret"}, []int{200}})
	}
	return ts
}

// denyAdmin is the rule for which the list says what is answered.
const denyAdmin = "DENY /admin/*"

// bans are rules that keep callers from the secret. The rule by suffix names the path with a
// slash behind it as well: that is another path, and some handlers make no difference.
var bans = map[string]func(*enmesh.Call) bool{
	denyAdmin: func(c *enmesh.Call) bool {
		return c.Path != "/admin" && !strings.HasPrefix(c.Path, "/admin/")
	},
	"ALLOW /public/*": func(c *enmesh.Call) bool { return strings.HasPrefix(c.Path, "/public/") },
	"DENY by regular expression": func() func(*enmesh.Call) bool {
		re := regexp.MustCompile(`^/admin(/.*)?$`)
		return func(c *enmesh.Call) bool { return !re.MatchString(c.Path) }
	}(),
	"DENY by prefix": func(c *enmesh.Call) bool { return !strings.HasPrefix(c.Path, "/admin") },
	"DENY by suffix": func(c *enmesh.Call) bool {
		return !strings.HasSuffix(c.Path, "/secret") && !strings.HasSuffix(c.Path, "/secret/")
	},
}

// reader is a handler's way to read a path.
type reader func(r *http.Request) string

func cleaned(p string) string { return path.Clean("/" + p) }

func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

func decodedAgain(p string) string {
	for range 3 {
		again, err := url.PathUnescape(p)
		if err != nil {
			return p
		}
		p = again
	}
	return p
}

func slashed(p string) string { return strings.ReplaceAll(p, `\`, "/") }

func ended(p string) string { p, _, _ = strings.Cut(p, "\x00"); return strings.TrimRight(p, "\r\n\t") }

// readers are handlers that take more for /admin/secret than that.
var readers = map[string]reader{
	"path.Clean": func(r *http.Request) string { return cleaned(r.URL.Path) },
	"of the URI": func(r *http.Request) string {
		p, _, _ := strings.Cut(r.RequestURI, "?")
		return cleaned(decodedAgain(p))
	},
	"of EscapedPath":  func(r *http.Request) string { return cleaned(decodedAgain(r.URL.EscapedPath())) },
	"of parameters":   func(r *http.Request) string { return cleaned(withoutParameters(r.URL.Path)) },
	"of backslashes":  func(r *http.Request) string { return cleaned(slashed(r.URL.Path)) },
	"decoding twice":  func(r *http.Request) string { return cleaned(decodedAgain(r.URL.Path)) },
	"ending at a NUL": func(r *http.Request) string { return cleaned(ended(r.URL.Path)) },
	"folding case":    func(r *http.Request) string { return strings.ToLower(strings.ToUpper(cleaned(r.URL.Path))) },
	"all of it at once": func(r *http.Request) string {
		return strings.ToLower(strings.ToUpper(cleaned(ended(slashed(withoutParameters(decodedAgain(r.URL.Path)))))))
	},
}

// folds are handlers that do not tell letters by their case, and say so.
var folds = []string{"folding case", "all of it at once"}

func (read reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch p := read(r); {
	case p == "/admin/secret":
		_, _ = io.WriteString(w, hidden)
	case p == "/" || p == "/public":
		_, _ = io.WriteString(w, "open")
	default:
		http.NotFound(w, r)
	}
}

// handlers are all handlers that have the secret.
func handlers(t *testing.T) map[string]http.Handler {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"admin/secret": hidden, "public/index.html": "open", "index.html": "open"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, hidden) }
	mux := http.NewServeMux()
	mux.HandleFunc("/admin/secret", secret)
	mux.HandleFunc("/admin/secret/{$}", secret)
	mux.HandleFunc("/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		if strings.Trim(r.PathValue("rest"), "/") == "admin/secret" {
			secret(w, r)
			return
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("/public/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "open") })
	all := map[string]http.Handler{"ServeMux": mux, "FileServer": http.FileServer(http.Dir(dir))}
	for name, r := range readers {
		all[name] = r
	}
	return all
}

// ban is the middleware of a rule.
func ban(allow func(*enmesh.Call) bool) enmesh.Middleware {
	refused := &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if !allow(c) {
				return refused
			}
			return next(ctx, c)
		}
	}
}

// fenced serves h over a real socket behind a rule. It counts in checked how often the rule
// was asked.
func fenced(t *testing.T, name string, h http.Handler, rule enmesh.Middleware, checked *atomic.Int64, opts ...meshhttp.ServerOption) string {
	t.Helper()
	if slices.Contains(folds, name) {
		opts = append(opts, meshhttp.FoldPathCase())
	}
	count := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			checked.Add(1)
			if c.Path == "*" || c.Method == http.MethodConnect {
				t.Errorf("a rule is asked about %s %q", c.Method, c.Path)
			}
			return next(ctx, c)
		}
	}
	return sockets(t, meshhttp.NewHandler(h, enmesh.Fixed(false, count, rule), opts...))
}

// barred sends every trick to every handler behind the rules, and wants the secret kept.
func barred(t *testing.T, rules map[string]enmesh.Middleware) {
	t.Helper()
	var sent, given, checked atomic.Int64
	for handler, h := range handlers(t) {
		for name, rule := range rules {
			c := dialRaw(t, fenced(t, handler, h, rule, &checked))
			for _, trick := range tricks {
				sent.Add(1)
				status, body := c.send(trick.line, trick.lines...)
				if strings.Contains(body, hidden) {
					given.Add(1)
					t.Errorf("%s, %s: %q is given the secret", handler, name, trick.line)
				}
				if want := trick.want; slices.Equal(want, ambiguous) && status != 400 || name == denyAdmin && handler == "ServeMux" && !slices.Contains(want, status) {
					t.Errorf("%s, %s: %q: status %d, want %v", handler, name, trick.line, status, want)
				}
			}
		}
	}
	t.Logf("%d requests, of which rules were asked about %d: the secret was given %d times", sent.Load(), checked.Load(), given.Load())
}

// Every way to write a path, against every kind of rule and every kind of handler: nobody is
// given the secret, and what is ambiguous is refused as such.
func TestScenarioA1_requestTargets(t *testing.T) {
	rules := map[string]enmesh.Middleware{}
	for name, allow := range bans {
		rules[name] = ban(allow)
	}
	barred(t, rules)
}

// The tricks are worth refusing: where paths are left as they come, every kind of handler
// gives the secret away. Where slashes are merged, with the escaped ones or without, no
// handler does that reads paths as RFC 3986 and Go do.
func TestScenarioA1_levels(t *testing.T) {
	all := handlers(t)
	var checked atomic.Int64
	given := func(handler, rule string, n meshhttp.PathNormalization) (times int) {
		c := dialRaw(t, fenced(t, handler, all[handler], ban(bans[rule]), &checked, meshhttp.WithPathNormalization(n)))
		for _, trick := range tricks {
			if _, body := c.send(trick.line, trick.lines...); strings.Contains(body, hidden) {
				times++
			}
		}
		return times
	}
	for _, handler := range slices.Sorted(maps.Keys(all)) {
		none := 0
		for rule := range bans {
			none += given(handler, rule, meshhttp.PathNone)
		}
		t.Logf("%s, paths left as they come: given %d times", handler, none)
		if none == 0 && handler != "ServeMux" {
			t.Errorf("%s: the tricks are none", handler)
		}
	}
	for _, handler := range []string{"ServeMux", "FileServer", "path.Clean", "of backslashes"} {
		for rule := range bans {
			for _, n := range []meshhttp.PathNormalization{meshhttp.PathMergeSlashes, meshhttp.PathDecodeAndMergeSlashes} {
				if times := given(handler, rule, n); times != 0 {
					t.Errorf("%s, %s, level %d: the secret is given %d times", handler, rule, n, times)
				}
			}
		}
	}
}

// The same over HTTP/2, whose ":path" net/http reads in its own way.
func TestScenarioA1_requestTargetsOverHTTP2(t *testing.T) {
	var checked atomic.Int64
	all := handlers(t)
	for _, handler := range []string{"ServeMux", "FileServer", "all of it at once"} {
		for rule, allow := range bans {
			addr := fenced(t, handler, all[handler], ban(allow), &checked)
			for _, trick := range tricks {
				method, target, _ := strings.Cut(trick.line, " ")
				if status, body := sendRaw2(t, addr, method, target, trick.lines...); strings.Contains(body, hidden) || slices.Equal(trick.want, ambiguous) && status == 200 {
					t.Errorf("%s, %s: %q: status %d, %q", handler, rule, trick.line, status, body)
				}
			}
		}
	}
}

// Every byte, escaped, at four places of the path.
func TestScenarioA2_everyEscape(t *testing.T) {
	names := []string{"ServeMux", "FileServer", "all of it at once"}
	all := handlers(t)
	if ledger.Full() {
		names = names[:0]
		for name := range all {
			names = append(names, name)
		}
	}
	var sent, checked atomic.Int64
	for _, handler := range names {
		for rule, allow := range bans {
			c := dialRaw(t, fenced(t, handler, all[handler], ban(allow), &checked))
			for b := range 256 {
				for _, form := range []string{"/%%%02xadmin/secret", "/admin%%%02x/secret", "/admin/%%%02xsecret", "/admin/secret%%%02x"} {
					target := fmt.Sprintf(form, b)
					sent.Add(1)
					if status, body := c.send("GET " + target); strings.Contains(body, hidden) {
						t.Errorf("%s, %s: %q: status %d, and the secret", handler, rule, target, status)
					}
				}
			}
		}
	}
	t.Logf("%d requests, of which rules were asked about %d", sent.Load(), checked.Load())
}
