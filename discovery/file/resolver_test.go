// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/file"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "services.yaml")
	if err := os.WriteFile(path, []byte("services: {ratings: [{address: \"127.0.0.1:9080\"}]}"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	registry, err := file.Open(path, file.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = registry.Close() }()
	for eps, err := range registry.Watch(context.Background(), "ratings") {
		fmt.Println(eps[0].Addrs, err)
		break
	}
	// Output:
	// [127.0.0.1:9080] <nil>
}

// watcher ranges over a watch and hands over what it yields, as "a:1 b:1" or
// "error text".
type watcher struct {
	news   chan string
	cancel context.CancelFunc
}

func watch(t *testing.T, r discovery.Resolver, service string) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{make(chan string, 64), cancel}
	var done sync.WaitGroup
	done.Go(func() {
		for eps, err := range r.Watch(ctx, service) {
			var addrs []string
			for _, e := range eps {
				addrs = append(addrs, e.Addrs...)
			}
			if err != nil {
				addrs = []string{"error " + err.Error()}
			}
			w.news <- strings.Join(addrs, " ")
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return w
}

// want waits for the next piece of news, which is to contain text.
func (w *watcher) want(t *testing.T, text string) {
	t.Helper()
	select {
	case got := <-w.news:
		if got != text && (text == "" || !strings.Contains(got, text)) {
			t.Fatalf("news = %q, want %q", got, text)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no news, want %q", text)
	}
}

// quiet checks that nothing was yielded that nobody waited for.
func (w *watcher) quiet(t *testing.T) {
	t.Helper()
	select {
	case got := <-w.news:
		t.Errorf("unexpected news %q", got)
	default:
	}
}

var fast = file.Config{Debounce: 5 * time.Millisecond, Poll: time.Hour}

func open(t *testing.T, path string, cfg file.Config) *file.Resolver {
	t.Helper()
	r, err := file.Open(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// put makes the file anew, in one step: a test that waits for one piece of news
// must not give a half written file to see.
func put(t *testing.T, path, text string) {
	t.Helper()
	tmp := filepath.Join(filepath.Dir(path), ".tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rename(t, tmp, path)
}

// overwrite writes into the file that is there, which has the same length.
func overwrite(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// services is a document with service a at addrs.
func services(addrs ...string) string {
	text := "services:\n  a:"
	if len(addrs) == 0 {
		text += " []"
	}
	for _, a := range addrs {
		text += "\n  - address: " + a
	}
	return text + "\n"
}

func TestResolver_followsEveryKindOfEdit(t *testing.T) {
	for name, cfg := range map[string]file.Config{
		"watched": fast,
		"polled":  {Debounce: time.Millisecond, Poll: 5 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "s.yaml")
			put(t, path, services("h:1"))
			r := open(t, path, cfg)
			one, two := watch(t, r, "a"), watch(t, r, "a")
			want := func(text string) { t.Helper(); one.want(t, text); two.want(t, text) }
			want("h:1")
			overwrite(t, path, services("h:2"))
			want("h:2")
			put(t, path, services("h:3", "h:4")) // renamed over
			want("h:3 h:4")
			rename(t, path, filepath.Join(dir, "gone"))
			want("no such file")
			if r.Err() == nil {
				t.Error("Err = nil while the file is gone")
			}
			put(t, path, services("h:5"))
			want("h:5")
			put(t, path, services())
			want("")
			put(t, path, "services: {}\n")
			want("unknown service")
			put(t, path, services("h:6"))
			want("h:6")
			if err := r.Err(); err != nil {
				t.Errorf("Err = %v, want nil", err)
			}
			one.quiet(t)
			two.quiet(t)
		})
	}
}

func TestResolver_aBadEditKeepsTheLastGoodAndIsNews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	put(t, path, services("h:1"))
	r := open(t, path, fast)
	early := watch(t, r, "a")
	early.want(t, "h:1")
	put(t, path, strings.Replace(services("h:2"), "address", "server", 1))
	early.want(t, "s.yaml:3:5: services.a[0].server: unknown field; there are address,")
	late := watch(t, r, "a")
	late.want(t, "unknown field")
	late.want(t, "h:1")
	put(t, path, "services: {a: 5}")
	early.want(t, "a list belongs here")
	put(t, path, services("h:1")) // as it was
	waitFor(t, func() bool { return r.Err() == nil })
	early.want(t, "h:1") // says that the error is over
	put(t, path, services("h:2"))
	early.want(t, "h:2")
	early.quiet(t)
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	hung := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-time.After(time.Millisecond):
		case <-hung:
			t.Fatal("it did not happen within 10 s")
		}
	}
}

func TestResolver_anEditThatSaysTheSameIsNoNews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	put(t, path, services("h:1", "h:2"))
	r := open(t, path, fast)
	w := watch(t, r, "a")
	w.want(t, "h:1 h:2")
	put(t, path, services("h:2", "h:1")+"  b: [{address: \"h:9\"}]\n")
	watch(t, r, "b").want(t, "unknown service")
	waitFor(t, func() bool {
		for eps, err := range r.Watch(t.Context(), "b") {
			return err == nil && len(eps) == 1
		}
		return false
	})
	put(t, path, services("h:3"))
	w.want(t, "h:3")
}

func TestResolver_readsADirectoryAsOne(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.yaml"), services("h:1"))
	put(t, filepath.Join(dir, "b.json"), `{"services": {"b": [{"address": "h:2"}]}}`)
	put(t, filepath.Join(dir, ".hidden.yaml"), "not: read")
	put(t, filepath.Join(dir, "README.md"), "not read")
	r := open(t, dir, fast)
	a, b, c := watch(t, r, "a"), watch(t, r, "b"), watch(t, r, "c")
	a.want(t, "h:1")
	b.want(t, "h:2")
	c.want(t, "unknown service")
	c.want(t, "")
	put(t, filepath.Join(dir, "c.yml"), "services: {c: [{address: \"h:3\"}]}")
	c.want(t, "h:3")
	put(t, filepath.Join(dir, "d.yaml"), "services: {c: []}")
	c.want(t, "d.yaml: services.c: it stands in "+filepath.Join(dir, "c.yml")+" already")
	a.want(t, "already")
	b.want(t, "already")
}

func TestOpen_refuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	put(t, bad, "services: 5")
	empty := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	put(t, big, strings.Repeat("#", 4<<20+1))
	for _, tt := range []struct {
		path string
		cfg  file.Config
		want string
	}{
		{filepath.Join(dir, "none.yaml"), file.Config{}, "none.yaml"},
		{bad, file.Config{}, "bad.yaml:1:11: services:"},
		{empty, file.Config{}, "no file that ends in"},
		{big, file.Config{}, "over 4194304 bytes"},
		{bad, file.Config{Debounce: -1}, "Debounce"},
		{bad, file.Config{Poll: -1}, "Poll"},
	} {
		if _, err := file.Open(tt.path, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Open(%s, %+v) = %v, want an error with %q", tt.path, tt.cfg, err, tt.want)
		}
	}
}

func TestResolver_closeEndsTheFollowingAndNotTheWatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	put(t, path, services("h:1"))
	r := open(t, path, fast)
	w := watch(t, r, "a")
	w.want(t, "h:1")
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	watch(t, r, "a").want(t, "h:1")
	for eps, err := range r.Watch(t.Context(), "b") {
		if !errors.Is(err, discovery.ErrUnknownService) {
			t.Errorf("unknown service: %v, %v", eps, err)
		}
		break
	}
	w.quiet(t)
}

// Every prefix of a good file is written over it: what is seen is a document that
// somebody wrote whole, or the last good one. See fault C1.
func TestParse_aTruncatedDocumentIsNeverMistakenForAnEmptyOne(t *testing.T) {
	text := services("h:1", "h:2")
	for n := range len(text) {
		got, err := file.Parse("s.yaml", []byte(text[:n]))
		if err == nil && len(got["a"]) == 0 {
			t.Errorf("the first %d bytes, %q, were read as no endpoints", n, text[:n])
		}
	}
}
