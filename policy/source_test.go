// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/policy"
)

// told is a source that tells what a test gives it.
type told chan word

type word struct {
	files map[string][]byte
	err   error
}

func (s told) Watch(ctx context.Context, tell func(map[string][]byte, error)) error {
	for {
		select {
		case w := <-s:
			tell(w.files, w.err)
		case <-ctx.Done():
			return nil
		}
	}
}

// document tells one.
func (s told) document(name, text string) {
	s <- word{files: map[string][]byte{name: []byte(text)}}
}

// broken is a source that cannot go on.
type broken struct{ err error }

func (s broken) Watch(context.Context, func(map[string][]byte, error)) error { return s.err }

func watchedSources(t *testing.T, sources []policy.Source, paths ...string) <-chan news {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, done := make(chan news, 64), make(chan struct{})
	go func() {
		defer close(done)
		for s, err := range (policy.Loader{}).WatchSources(ctx, sources, paths...) {
			out <- news{s, err}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return out
}

// wantNews waits for an error with a text.
func wantNews(t *testing.T, ch <-chan news, text string) {
	t.Helper()
	if n := next(t, ch); n.err == nil || !strings.Contains(n.err.Error(), text) {
		t.Fatalf("got %v, %v, want an error with %q", n.snapshot, n.err, text)
	}
}

func wantQuiet(t *testing.T, ch <-chan news) {
	t.Helper()
	select {
	case n := <-ch:
		t.Errorf("got %v, %v, want nothing", n.snapshot, n.err)
	case <-time.After(100 * time.Millisecond):
	}
}

// Files and sources are one set: the first load waits for all of them, files go first, and
// a mistake in any refuses the whole and names its document.
func TestWatchSources_oneSet(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yaml")
	write(t, name, "")
	first, second := make(told), make(told)
	ch := watchedSources(t, []policy.Source{first, second}, name)
	first.document("consul:b.yaml", seconds(2))
	wantQuiet(t, ch) // the second has not said anything
	second.document("consul:c.yaml", seconds(3))
	wantTimeout(t, ch, 2*time.Second)
	write(t, name, seconds(1))
	wantTimeout(t, ch, time.Second)

	second.document("consul:c.yaml", strings.Replace(seconds(3), "timeout", "timout", 1))
	wantNews(t, ch, `policy: consul:c.yaml:4:28: VirtualService "a" (document 1): spec.http[0].timout`)
	write(t, name, "")
	wantNews(t, ch, "consul:c.yaml:4:28")
	second.document("consul:c.yaml", seconds(3))
	wantTimeout(t, ch, 2*time.Second)
	second.document("consul:c.yaml", seconds(3)) // as before
	wantQuiet(t, ch)
	first <- word{files: map[string][]byte{}}
	wantTimeout(t, ch, 3*time.Second)
}

// What a source told holds while it fails; the error is told once, and its end by the
// last load once more.
func TestWatchSources_failing(t *testing.T) {
	s := make(told)
	ch := watchedSources(t, []policy.Source{s})
	s <- word{err: errors.New("out of reach")}
	wantNews(t, ch, "policy: a source fails: out of reach")
	s.document("b.yaml", seconds(2))
	wantTimeout(t, ch, 2*time.Second)
	wantQuiet(t, ch)
	s <- word{err: errors.New("out of reach")}
	wantNews(t, ch, "out of reach")
	s <- word{err: errors.New("out of reach")}
	wantQuiet(t, ch)
	s.document("b.yaml", seconds(2))
	wantTimeout(t, ch, 2*time.Second)
	wantQuiet(t, ch)

	s <- word{err: errors.New("again")}
	wantNews(t, ch, "again")
	s.document("b.yaml", "kind: [")
	wantNews(t, ch, "b.yaml:2")
	wantQuiet(t, ch)
}

func TestWatchSources_bounds(t *testing.T) {
	s := make(told)
	ch := watchedSources(t, []policy.Source{s, broken{errors.New("no such thing")}})
	wantNews(t, ch, "no such thing")
	s.document("b.yaml", strings.Repeat(" ", 17<<20))
	wantNews(t, ch, "a source has 1 documents of 17825798 bytes, more than 10000 or 16777216")
	wantQuiet(t, ch)
}
