// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/policy"
)

// news is one thing that a watch yielded.
type news struct {
	snapshot *policy.Snapshot
	err      error
}

// watched runs a watch until the test ends, and gives what it yields.
func watched(t *testing.T, paths ...string) <-chan news {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, done := make(chan news, 64), make(chan struct{})
	go func() {
		defer close(done)
		for s, err := range policy.Watch(ctx, paths...) {
			out <- news{s, err}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return out
}

// next waits for what a watch yields within a second, which is what it promises
// where there are events.
func next(t *testing.T, ch <-chan news) news {
	t.Helper()
	start := time.Now()
	select {
	case n := <-ch:
		t.Logf("after %v: %v", time.Since(start).Round(time.Millisecond), n.err)
		return n
	case <-time.After(5 * time.Second):
		t.Fatal("got nothing in 5 s")
		return news{}
	}
}

// wantTimeout waits for a good snapshot whose one rule has a timeout.
func wantTimeout(t *testing.T, ch <-chan news, want time.Duration) {
	t.Helper()
	n := next(t, ch)
	if n.err != nil {
		t.Fatal(n.err)
	}
	svc := n.snapshot.Service("a.default.svc.cluster.local")
	if svc == nil {
		t.Fatalf("got no rules, want a timeout of %v", want)
	}
	if got := svc.Rules[0].Timeout; got != want {
		t.Errorf("got a timeout of %v, want %v", got, want)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seconds is a document with a timeout of that many.
func seconds(n int) string { return vs("a", "a", fmt.Sprintf("[{timeout: %ds, %s}]", n, toA)) }

func TestWatch_writesAndRenames(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.yaml")
	write(t, name, seconds(1))
	ch := watched(t, dir)
	wantTimeout(t, ch, time.Second)

	write(t, name, seconds(2)) // in place
	wantTimeout(t, ch, 2*time.Second)

	write(t, name+".tmp", seconds(3)) // as editors save
	check(t, os.Rename(name+".tmp", name))
	wantTimeout(t, ch, 3*time.Second)

	write(t, filepath.Join(dir, "0.yaml"), seconds(4)) // goes before a.yaml
	wantTimeout(t, ch, 4*time.Second)

	check(t, os.Remove(filepath.Join(dir, "0.yaml")))
	wantTimeout(t, ch, 3*time.Second)
}

// A bad edit is reported once and changes nothing; putting it right is news.
func TestWatch_badEdit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yaml")
	write(t, name, seconds(1))
	ch := watched(t, name)
	wantTimeout(t, ch, time.Second)

	write(t, name, strings.Replace(seconds(1), "timeout", "timout", 1))
	n := next(t, ch)
	var e *policy.Error
	if n.snapshot != nil || !errors.As(n.err, &e) || e.Problems[0].Line != 4 {
		t.Fatalf("got %v, want a problem in line 4", n.err)
	}
	if want := "policy: " + name + `:4:28: VirtualService "a" (document 1): spec.http[0].timout: no such field in HTTPRoute: did you mean timeout?`; n.err.Error() != want {
		t.Errorf("got  %v\nwant %s", n.err, want)
	}
	write(t, name, seconds(2))
	wantTimeout(t, ch, 2*time.Second)

	check(t, os.Remove(name))
	if n := next(t, ch); !errors.Is(n.err, os.ErrNotExist) {
		t.Fatalf("got %v, want that the file is not there", n.err)
	}
	write(t, name, seconds(2))
	wantTimeout(t, ch, 2*time.Second)
}

// A mounted ConfigMap: files are links through ..data, which is swapped.
func TestWatch_symbolicLinks(t *testing.T) {
	dir := t.TempDir()
	put := func(version string, n int) {
		check(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "a.yaml"), seconds(n))
		check(t, os.Symlink(version, filepath.Join(dir, "..tmp")))
		check(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	}
	put("..1", 1)
	check(t, os.Symlink(filepath.Join("..data", "a.yaml"), filepath.Join(dir, "a.yaml")))
	whole, one := watched(t, dir), watched(t, filepath.Join(dir, "a.yaml"))
	wantTimeout(t, whole, time.Second)
	wantTimeout(t, one, time.Second)
	for i := 2; i < 5; i++ {
		put(fmt.Sprintf("..%d", i), i)
		wantTimeout(t, whole, time.Duration(i)*time.Second)
		wantTimeout(t, one, time.Duration(i)*time.Second)
	}
	write(t, filepath.Join(dir, "..4", "a.yaml"), seconds(9)) // in place, behind the links
	wantTimeout(t, whole, 9*time.Second)
	wantTimeout(t, one, 9*time.Second)
}

// A link further up than the files is no event, and seen by the poll.
func TestWatch_polls(t *testing.T) {
	dir := t.TempDir()
	for i, version := range []string{"v1", "v2"} {
		check(t, os.MkdirAll(filepath.Join(dir, version, "policies"), 0o700))
		write(t, filepath.Join(dir, version, "policies", "a.yaml"), seconds(i+1))
	}
	current := filepath.Join(dir, "current")
	check(t, os.Symlink("v1", current))
	ch := watched(t, filepath.Join(current, "policies"))
	wantTimeout(t, ch, time.Second)
	check(t, os.Symlink("v2", current+".tmp"))
	check(t, os.Rename(current+".tmp", current))
	wantTimeout(t, ch, 2*time.Second)
}

// A burst of edits is one change, a file being rewritten is not an empty policy, and
// files of other kinds are none.
func TestWatch_settles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.yaml")
	write(t, name, seconds(1))
	ch := watched(t, dir)
	wantTimeout(t, ch, time.Second)

	write(t, filepath.Join(dir, "notes.txt"), "x")
	write(t, filepath.Join(dir, ".a.yaml.swp"), "x")
	for i := range 20 {
		write(t, name, seconds(i+2))
	}
	wantTimeout(t, ch, 21*time.Second)

	check(t, os.Truncate(name, 0))
	rest := time.NewTimer(120 * time.Millisecond) // a slow writer
	<-rest.C
	write(t, name, seconds(30))
	wantTimeout(t, ch, 30*time.Second)
	select {
	case n := <-ch:
		t.Errorf("got %v, %v more, want nothing", n.snapshot, n.err)
	default:
	}
}

func TestWatch_stopsWithTheConsumer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yaml")
	write(t, name, seconds(1))
	for s, err := range policy.Watch(t.Context(), name) {
		if s == nil || err != nil {
			t.Errorf("got %v, %v", s, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	count := 0
	for range policy.Watch(ctx, filepath.Join(t.TempDir(), "nowhere")) {
		count++
	}
	if count != 1 {
		t.Errorf("got %d times, want the first load only", count)
	}
}
