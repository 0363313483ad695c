// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/load"
)

// shiftWithin is generous, for machines that are busy: on an idle one it takes a
// tenth of a second.
const shiftWithin = 15 * time.Second

// underLoad runs a load of 20 pages a second until the test ends, and fails it for
// every page that was not to be had.
func (r *running) underLoad() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	l := load.New(load.Config{URL: r.URL(), RPS: 20})
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	r.t.Cleanup(func() {
		cancel()
		wg.Wait()
		if got := l.Stats(); got.Sent == 0 || got.Failed != 0 {
			r.t.Errorf("load: %d sent, %d failed; want some, and none failed", got.Sent, got.Failed)
		}
		r.noFailures()
	})
}

// shifted waits until 30 calls in a row are answered by one version, and tells how
// long it took from begin to the first of them.
func (r *running) shifted(version string, begin time.Time) time.Duration {
	r.t.Helper()
	var took time.Duration
	eventually(r.t, shiftWithin, "all calls answered by "+version, func() bool {
		took = time.Since(begin)
		return r.reviewVersions(30, "")[version] == 30
	})
	return took
}

// An edit is in force within a second. The best of several counts: a busy machine makes any
// of them slower, and none faster.
func TestReload_shiftsTheTraffic(t *testing.T) {
	const edits, promised = 6, time.Second
	r := start(t, "", app.Config{})
	r.underLoad()
	toV1 := r.read("steps/01-all-v1.yaml")
	versions := []string{"v1", "v3"}
	all := [][]byte{toV1, []byte(strings.ReplaceAll(string(toV1), "subset: v1", "subset: v3"))}
	for _, way := range []struct {
		name string
		edit func(data []byte)
	}{
		{"renamed over", func(data []byte) { r.replace("routes.yaml", data) }},
		{"written in place", func(data []byte) {
			if err := os.WriteFile(filepath.Join(r.dir, "routes.yaml"), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		best := shiftWithin
		for i := range edits {
			begin := time.Now()
			way.edit(all[i%2])
			best = min(best, r.shifted(versions[i%2], begin))
		}
		t.Logf("a file %s: shifted in %v at best", way.name, best)
		if best > promised {
			t.Errorf("a file %s is in force after %v at best of %d edits, want %v", way.name, best, edits, promised)
		}
	}
}

func TestReload_keepsTheLastGoodPolicy(t *testing.T) {
	r := start(t, "01-all-v1.yaml", app.Config{})
	r.underLoad()
	good := string(r.read("steps/02-90-10.yaml"))
	bad := strings.Replace(good, "weight: 10", "wieght: 10", 1)
	before, _, _ := strings.Cut(bad, "wieght")
	line := 1 + strings.Count(before, "\n")
	r.replace("routes.yaml", []byte(bad))
	var said string
	eventually(t, shiftWithin, "the broken file is told", func() bool {
		said = strings.Join(r.events.Errors(), "\n")
		return said != ""
	})
	if want := "routes.yaml:" + itoa(line) + ":"; !strings.Contains(said, want) || !strings.Contains(said, "wieght") {
		t.Errorf("told %q, want %q and the field", said, want)
	}
	t.Logf("told: %s", said)
	if got := r.reviewVersions(100, ""); got["v1"] != 100 {
		t.Errorf("after the broken file %v, want all v1 as before", got)
	}
	r.replace("routes.yaml", r.read("steps/01-all-v1.yaml"))
	r.replace("routes.yaml", []byte(strings.ReplaceAll(string(r.read("steps/01-all-v1.yaml")), "subset: v1", "subset: v3")))
	t.Logf("put right: shifted in %v", r.shifted("v3", time.Now()))
}
