// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/policy"
)

// What a source told is there for the next process, which finds it out of reach, or slow;
// then the source has the word.
func TestKeep_startsWithoutItsSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "kept.json")
	reports := make(chan error, 10)
	watched := func(s policy.Source) <-chan news {
		return watchedSources(t, []policy.Source{policy.Keep(s, path, func(err error) { reports <- err })})
	}
	s := make(told)
	ch := watched(s)
	wantQuiet(t, ch) // there is nothing to start with
	s <- word{err: errors.New("out of reach")}
	wantNews(t, ch, "out of reach")
	s.document("a.yaml", seconds(1))
	wantTimeout(t, ch, time.Second)
	s.document("a.yaml", seconds(2))
	wantTimeout(t, ch, 2*time.Second)
	wantKept(t, path, seconds(2))

	s = make(told)
	ch = watched(s)
	s <- word{err: errors.New("out of reach")}
	wantTimeout(t, ch, 2*time.Second)
	wantNews(t, ch, "out of reach")
	s.document("a.yaml", seconds(3))
	wantTimeout(t, ch, 3*time.Second)
	wantKept(t, path, seconds(3))

	ch = watched(make(told)) // which says nothing
	wantTimeout(t, ch, 3*time.Second)

	data, err := os.ReadFile(path)
	check(t, err)
	for _, damaged := range []string{"", "{", strings.Replace(string(data), `"Format":1`, `"Format":2`, 1), strings.Replace(string(data), `"Sum":"`, `"Sum":"0`, 1)} {
		write(t, path, damaged)
		s = make(told)
		ch = watched(s)
		s <- word{err: errors.New("out of reach")}
		wantNews(t, ch, "out of reach")
		if err := <-reports; !strings.Contains(err.Error(), "damaged") {
			t.Errorf("got report %v", err)
		}
	}
	if len(reports) > 0 {
		t.Errorf("got another report: %v", <-reports)
	}
}

// A file that cannot be written costs nothing but the file.
func TestKeep_withoutADirectory(t *testing.T) {
	taken := filepath.Join(t.TempDir(), "taken")
	write(t, taken, "")
	reports := make(chan error, 10)
	s := make(told)
	ch := watchedSources(t, []policy.Source{policy.Keep(s, filepath.Join(taken, "kept.json"), func(err error) { reports <- err })})
	s.document("a.yaml", seconds(1))
	wantTimeout(t, ch, time.Second)
	if err := <-reports; !strings.HasPrefix(err.Error(), "policy: ") {
		t.Errorf("got report %v", err)
	}
	policy.Keep(s, taken, nil)
}

// wantKept waits until a file that is its owner's only holds a document.
func wantKept(t *testing.T, path, document string) {
	t.Helper()
	hung := time.After(30 * time.Second)
	for {
		info, err := os.Stat(path)
		data, _ := os.ReadFile(path)
		if err == nil && info.Mode().Perm() == 0o600 && strings.Contains(string(data), base64.StdEncoding.EncodeToString([]byte(document))) {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-hung:
			t.Fatalf("got %v, %v, %q, want a file of mode 0600 with the document", info, err, data)
		}
	}
}
