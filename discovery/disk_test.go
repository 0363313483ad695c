// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// full is an endpoint with something in every field.
func full() discovery.Endpoint {
	return discovery.Endpoint{
		Addrs: []string{"10.0.0.1:80", "[fd00::1]:80"}, Ports: []discovery.Port{{Name: "http", Number: 80, Target: 8080, Protocol: "http"}},
		Weight: 3, Priority: 1, Locality: discovery.Locality{Zone: "b"}, Labels: map[string]string{"k": "v"}, Version: "v1",
		ServiceAccount: "sa", Namespace: "ns", Draining: true, Unhealthy: true, Metadata: map[string]string{"m": "n"},
	}
}

// problems keeps what a Cache reports.
type problems struct {
	mu  sync.Mutex
	all []string
}

func (p *problems) add(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, err.Error())
}

func (p *problems) want(t *testing.T, parts ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	ok := len(p.all) == len(parts)
	for i := 0; ok && i < len(parts); i++ {
		ok = strings.Contains(p.all[i], parts[i])
	}
	if !ok {
		t.Errorf("reported %q, want %q", p.all, parts)
	}
}

// fill has a Cache write a set of service "a" to dir, and gives the file.
func fill(t *testing.T, dir string, eps ...discovery.Endpoint) string {
	t.Helper()
	m := discovery.NewMemory()
	m.Set("a", eps...)
	c, err := discovery.NewCache(m, discovery.CacheConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for range c.Watch(t.Context(), "a") {
		break
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return theFile(t, dir)
}

func theFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(files) != 1 || len(hidden) != 0 {
		t.Fatalf("files %v %v, %v; want one", files, hidden, err)
	}
	return files[0]
}

func TestCache_startsFromDiskWhenTheRegistryIsSilent(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		fill(t, dir, full(), at("x:1"))
		pass(time.Hour)
		var s asked
		c := newCache(t, &s, discovery.CacheConfig{Dir: dir})
		r := collect(ctx, c, "a")
		pass(99 * time.Millisecond)
		r.want(t)
		pass(time.Millisecond)
		r.want(t, "set 10.0.0.1:80 [fd00::1]:80 x:1")
		for set := range c.Watch(ctx, "a") {
			if !set[0].Equal(full()) {
				t.Errorf("from disk: %+v, want %+v", set[0], full())
			}
			break
		}
		if got := only(t, c); got.State != discovery.Waiting || got.Staleness(time.Now()) != time.Hour+100*time.Millisecond || got.Saved.IsZero() {
			t.Errorf("status %+v, want stale for an hour", got)
		}
		s.say(at("x:1"), full())
		pass(time.Second)
		r.want(t, "set 10.0.0.1:80 [fd00::1]:80 x:1") // the same
		if got := only(t, c); got.State != discovery.Live || got.Staleness(time.Now()) != 0 {
			t.Errorf("status %+v, want live and confirmed", got)
		}
	})
}

func TestCache_startsFromDiskAtOnceWhenTheRegistryFails(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		fill(t, dir, at("x:1"))
		var s script
		s.fail("refused")
		c := newCache(t, &s, discovery.CacheConfig{Dir: dir})
		r := collect(ctx, c, "a")
		synctest.Wait()
		r.want(t, "set x:1", "error refused")
	})
}

func TestCache_aRegistryThatAnswersIsBelievedAndNotTheDisk(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		fill(t, dir, hosts(2)...)
		var s script
		s.say(at("y:1"))
		c := newCache(t, &s, discovery.CacheConfig{Dir: dir})
		r := collect(ctx, c, "a")
		pass(time.Minute)
		r.want(t, "set y:1")
	})
}

// TestCache_aRegistryThatStartsEmptyIsDoubted: process and registry start together, and
// the registry has not heard of anybody yet.
func TestCache_aRegistryThatStartsEmptyIsDoubted(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		fill(t, dir, hosts(2)...)
		var s asked
		s.say()
		c := newCache(t, &s, discovery.CacheConfig{Dir: dir})
		r := collect(ctx, c, "a")
		pass(9 * time.Second)
		r.want(t, "set h0:1 h1:1")
		pass(time.Second)
		r.want(t, "set h0:1 h1:1", "set ")
	})
}

func TestCache_filesThatAreOfNoUseAreIgnoredAndNamed(t *testing.T) {
	for _, tt := range []struct {
		name string
		harm func(t *testing.T, file string)
		cfg  discovery.CacheConfig
		want string // "" when the file is used
	}{
		{"a bit flipped", func(t *testing.T, file string) { edit(t, file, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) }, discovery.CacheConfig{}, "checksum"},
		{"cut short", func(t *testing.T, file string) { edit(t, file, func(b []byte) []byte { return b[:len(b)-1] }) }, discovery.CacheConfig{}, "length"},
		{"empty", func(t *testing.T, file string) { edit(t, file, func([]byte) []byte { return nil }) }, discovery.CacheConfig{}, "does not begin"},
		{"another version", func(t *testing.T, file string) {
			edit(t, file, func(b []byte) []byte { return []byte(strings.Replace(string(b), "snapshot 1", "snapshot 2", 1)) })
		}, discovery.CacheConfig{}, "does not begin"},
		{"a directory", func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}, discovery.CacheConfig{}, "directory"},
		{"too old", func(*testing.T, string) { pass(25 * time.Hour) }, discovery.CacheConfig{}, "over 24h0m0s old"},
		{"not too old", func(*testing.T, string) { pass(25 * time.Hour) }, discovery.CacheConfig{MaxAge: 26 * time.Hour}, ""},
		{"any age", func(*testing.T, string) { pass(1000 * time.Hour) }, discovery.CacheConfig{MaxAge: -1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context) {
				dir := t.TempDir()
				tt.harm(t, fill(t, dir, at("x:1")))
				var told problems
				tt.cfg.Dir, tt.cfg.Report = dir, told.add
				c := newCache(t, &script{}, tt.cfg)
				r := collect(ctx, c, "a")
				pass(time.Second)
				got := only(t, c)
				if tt.want == "" {
					told.want(t)
					r.want(t, "set x:1")
				} else {
					told.want(t, tt.want)
					r.want(t)
					if got.SavedErr == nil || !strings.Contains(got.SavedErr.Error(), tt.want) {
						t.Errorf("SavedErr = %v, want %q", got.SavedErr, tt.want)
					}
				}
			})
		})
	}
}

func edit(t *testing.T, file string, f func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, f(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCache_fileOfAnotherServiceIsIgnored(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir, other := t.TempDir(), t.TempDir()
		file := fill(t, dir, at("x:1"))
		m := discovery.NewMemory()
		m.Set("b", at("y:1"))
		c, err := discovery.NewCache(m, discovery.CacheConfig{Dir: other})
		if err != nil {
			t.Fatal(err)
		}
		collect(ctx, c, "b")
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(theFile(t, other), file); err != nil {
			t.Fatal(err)
		}
		var told problems
		late := newCache(t, &script{}, discovery.CacheConfig{Dir: dir, Report: told.add})
		collect(ctx, late, "a")
		pass(time.Second)
		told.want(t, `of service "b", not "a"`)
	})
}

func TestCache_writesAtMostOnceASecondAndKeepsWhatIsDoubted(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		var s script
		s.say(hosts(4)...)
		c := newCache(t, &s, discovery.CacheConfig{Dir: dir})
		collect(ctx, c, "a")
		pass(time.Second)
		first := read(t, theFile(t, dir))
		s.say(hosts(3)...)
		pass(500 * time.Millisecond)
		second := read(t, theFile(t, dir))
		s.say(hosts(2)...)
		pass(499 * time.Millisecond)
		if now := read(t, theFile(t, dir)); first == second || now != second {
			t.Errorf("the second change is on disk = %t, the third within a second = %t; want only the second", first != second, now != second)
		}
		pass(time.Second)
		third := read(t, theFile(t, dir))
		s.say() // doubted
		pass(5 * time.Second)
		if now := read(t, theFile(t, dir)); third == second || now != third {
			t.Errorf("the third change is on disk = %t, the doubted one = %t; want only the third", third != second, now != third)
		}
	})
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestCache_unchangedSetDoesNotGrowOldOnDisk: a service that never changes is written
// again every hour, with the time until which it was true.
func TestCache_unchangedSetDoesNotGrowOldOnDisk(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir := t.TempDir()
		var s script
		s.say(at("x:1"))
		c := newCache(t, &s, discovery.CacheConfig{Dir: dir})
		collect(ctx, c, "a")
		pass(100 * time.Hour)
		if age := time.Since(only(t, c).Saved); age > 61*time.Minute {
			t.Errorf("the file is %v old, want an hour at most", age)
		}
		s.fail("refused")
		pass(10 * time.Hour) // an outage: nothing confirms the set
		if age := time.Since(only(t, c).Saved); age < 10*time.Hour || age > 11*time.Hour+time.Minute {
			t.Errorf("after an outage of 10 h the file is %v old", age)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		late := newCache(t, &script{}, discovery.CacheConfig{Dir: dir})
		collect(ctx, late, "a")
		pass(time.Second)
		if got := only(t, late).Staleness(time.Now()); got != 10*time.Hour+time.Second {
			t.Errorf("stale for %v, want since the outage began", got)
		}
	})
}

func TestCache_goesOnWithoutADirectoryItCanUse(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var told problems
		var s script
		s.say(at("x:1"))
		c, err := discovery.NewCache(&s, discovery.CacheConfig{Dir: filepath.Join(file, "dir"), Report: told.add})
		if err != nil {
			t.Fatal(err)
		}
		r := collect(ctx, c, "a")
		pass(35 * time.Second)
		r.want(t, "set x:1")
		told.want(t, "snapshots: mkdir", "snapshot", "snapshot", "snapshot", "snapshot")
		if got := c.Status().Disk; got.Err == nil || got.ErrAt.IsZero() {
			t.Errorf("status %+v, want the error", got)
		}
		if err := c.Close(); err == nil {
			t.Error("Close says nothing of what could not be written")
		}
	})
}

// TestScenarioS12_diskThatFailsAndRecovers: the directory goes away while the process
// runs, and comes back.
func TestScenarioS12_diskThatFailsAndRecovers(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		dir := filepath.Join(t.TempDir(), "a", "b")
		var told problems
		var s script
		s.say(at("x:1"))
		c := newCache(t, &s, discovery.CacheConfig{Dir: dir, Report: told.add})
		r := collect(ctx, c, "a")
		pass(2 * time.Second)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		s.say(at("y:1"))
		pass(2 * time.Second)
		if c.Status().Disk.Err == nil {
			t.Error("the failed writing is not in the status")
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if err := c.Status().Disk.Err; err != nil {
			t.Errorf("after the directory is back: %v", err)
		}
		theFile(t, dir)
		r.want(t, "set x:1", "set y:1")
		t.Logf("reported: %q", told.all)
	})
}

func TestCache_sweepsUpAfterProcessesThatDied(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, ".writing-1"), filepath.Join(dir, ".writing-2")
	for _, f := range []string{old, young} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	newCache(t, &script{}, discovery.CacheConfig{Dir: dir})
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("the young one, which another process may be writing, is gone")
	}
}
