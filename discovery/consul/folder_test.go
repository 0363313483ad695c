// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/consul"
)

// keys is the JSON of a key with a document.
func keys(name, text string) string {
	return fmt.Sprintf(`[{"Key":%q,"Value":%q}]`, name, base64.StdEncoding.EncodeToString([]byte(text)))
}

// script answers the queries for a folder, one after the other, the last until the end; a
// query that blocks and has no answer of its own blocks.
type script struct {
	mu      sync.Mutex // guards asked
	asked   []string   // the index of each query
	answers []func(w http.ResponseWriter, r *http.Request)
}

func (s *script) serve(w http.ResponseWriter, r *http.Request, _ int) bool {
	if !strings.HasPrefix(r.URL.Path, "/v1/kv/") {
		return false
	}
	s.mu.Lock()
	n := len(s.asked)
	s.asked = append(s.asked, r.URL.Query().Get("index"))
	s.mu.Unlock()
	if n < len(s.answers) {
		s.answers[n](w, r)
		return true
	}
	<-r.Context().Done()
	return true
}

func says(index, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, index, body) }
}

func fails(status int, index string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", index)
		http.Error(w, "", status)
	}
}

// What Consul has done to somebody's watch of keys, and what comes of it here.
func TestFolder_distrusts(t *testing.T) {
	long := keys("p/a.yaml", strings.Repeat("x", 2000))
	for _, tt := range []struct {
		name    string
		answers []func(http.ResponseWriter, *http.Request)
		told    string   // at the end
		reasons []string // of errors
		asked   []string // indexes
	}{
		{"a change", []func(http.ResponseWriter, *http.Request){says("5", keys("p/a.yaml", "1")), says("9", keys("p/a.yaml", "2"))}, "consul:p/a.yaml=2", nil, []string{"", "5", "9"}},
		{"an index that falls", []func(http.ResponseWriter, *http.Request){says("9", keys("p/a.yaml", "1")), says("4", keys("p/a.yaml", "old")), says("4", keys("p/a.yaml", "2"))},
			"consul:p/a.yaml=2", nil, []string{"", "9", "", "4"}},
		{"a key with a line break", []func(http.ResponseWriter, *http.Request){says("5", keys("p/a\n.yaml", "1"))}, `consul:"p/a\n.yaml"=1`, nil, []string{"", "5"}},
		{"no index", []func(http.ResponseWriter, *http.Request){says("", keys("p/a.yaml", "1"))}, "consul:p/a.yaml=1", nil, []string{"", "1"}},
		{"no keys any more", []func(http.ResponseWriter, *http.Request){says("5", keys("p/a.yaml", "1")), fails(404, "7")}, "consul:p/a.yaml=1", []string{consul.Missing}, []string{"", "5", "7"}},
		{"no keys for a moment", []func(http.ResponseWriter, *http.Request){says("5", keys("p/a.yaml", "1")), fails(404, "7"), says("8", keys("p/a.yaml", "1"))},
			"consul:p/a.yaml=1", []string{consul.Missing}, []string{"", "5", "7", "8"}},
		{"a server that fails", []func(http.ResponseWriter, *http.Request){says("5", keys("p/a.yaml", "1")), fails(500, "0"), says("6", keys("p/a.yaml", "1"))},
			"consul:p/a.yaml=1", []string{consul.Status}, []string{"", "5", "5", "6"}},
		{"no token", []func(http.ResponseWriter, *http.Request){fails(403, "0"), says("5", keys("p/a.yaml", "1"))}, "consul:p/a.yaml=1", []string{consul.Denied}, []string{"", "", "5"}},
		{"garbage", []func(http.ResponseWriter, *http.Request){says("5", keys("p/a.yaml", "1")), says("6", `[{"Key":"p/a.yaml","Value":"?"}]`), says("7", keys("p/a.yaml", "2"))},
			"consul:p/a.yaml=2", []string{consul.Garbage}, []string{"", "5", "", "7"}},
		{"too much", []func(http.ResponseWriter, *http.Request){says("5", keys("p/a.yaml", "1")), says("6", long), says("7", keys("p/a.yaml", "2"))},
			"consul:p/a.yaml=2", []string{consul.TooLarge}, []string{"", "5", "", "7"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake) {
				s := &script{answers: tt.answers}
				f.answerWith(s.serve)
				cfg := f.config()
				cfg.MaxBody = 1000
				r := open(t, cfg)
				defer r.Close()
				w, _ := readFolder(t, r, "p")
				after(30 * time.Second)
				w.stop()
				if w.now != tt.told {
					t.Errorf("told %q at the end, want %q", w.now, tt.told)
				}
				if got := w.reasons(); !slices.Equal(got, tt.reasons) {
					t.Errorf("told the errors %q, want %q", got, tt.reasons)
				}
				if !slices.Equal(s.asked, tt.asked) {
					t.Errorf("asked with the indexes %q, want %q", s.asked, tt.asked)
				}
			})
		})
	}
}

// An index that moves with everybody's changes does not make the loop spin.
func TestFolder_keepsItsPace(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		var s script
		for i := range 1000 {
			s.answers = append(s.answers, says(fmt.Sprint(5+i), keys("p/a.yaml", "1")))
		}
		f.answerWith(s.serve)
		r := open(t, f.config())
		defer r.Close()
		w, folder := readFolder(t, r, "p")
		after(time.Minute)
		w.stop()
		if n := len(s.asked); n > 20 || w.told != 1 {
			t.Errorf("asked %d times in a minute and told %d times, want 20 at most, and once", n, w.told)
		}
		if got := folder.Status(); got.Changes != 1 || got.Err != nil {
			t.Errorf("got status %+v", got)
		}
	})
}

func TestFolder_names(t *testing.T) {
	r := open(t, consul.Config{Address: "127.0.0.1:1"})
	defer r.Close()
	for _, name := range []string{"", "/", "//", "a\nb"} {
		if _, err := r.Folder(name); err == nil {
			t.Errorf("%q is taken for a folder", name)
		}
	}
	for name, want := range map[string]string{"a": "a/", "/a/b/": "a/b/", "a b": "a b/"} {
		if f, err := r.Folder(name); err != nil || f.Status().Prefix != want {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
