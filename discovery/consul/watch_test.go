// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// bubble runs a test over a fake in a bubble.
func bubble(t *testing.T, story func(t *testing.T, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		defer f.stop()
		story(t, f)
	})
}

// after lets time pass and everything settle.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWatch_followsChanges(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		c.want(t, "10.0.0.1:80", 1)
		for i := range 3 {
			f.set("web", instance("10.0.0.1:80"), instance("10.0.0.2:80"))
			after(time.Millisecond)
			c.want(t, "10.0.0.1:80 10.0.0.2:80", 2*i+2)
			f.set("web", instance("10.0.0.2:80"))
			after(500 * time.Millisecond)
			c.want(t, "10.0.0.2:80", 2*i+3)
		}
	})
}

func TestWatch_saysThatNobodyIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		c.want(t, "", 1)
		if len(c.errs) != 1 || !errors.Is(c.errs[0], discovery.ErrUnknownService) {
			t.Errorf("errors = %v, want ErrUnknownService", c.errs)
		}
		f.set("web", instance("10.0.0.1:80"))
		after(0)
		c.want(t, "10.0.0.1:80", 2)
		f.set("web")
		after(0)
		c.want(t, "", 3)
		if len(c.errs) != 1 {
			t.Errorf("errors = %v, want no more when the last one has gone", c.errs)
		}
	})
}

func TestWatch_refusesNamesThatAreNone(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		r := open(t, f.config())
		defer r.Close()
		for _, name := range []string{"", ".", "..", "a/b", "a b", "a?b", "a%2fb"} {
			c := collect(r, name)
			after(0)
			if len(c.errs) != 1 || len(c.sets) != 0 {
				t.Errorf("%q: errors %v and %d sets, want one error", name, c.errs, len(c.sets))
			}
			c.stop()
		}
		if n := len(f.queries()); n != 0 {
			t.Errorf("%d queries went out", n)
		}
	})
}

func TestWatch_datacentersAreTiers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		slow := make(chan struct{})
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.URL.Query().Get("dc") != "west" {
				return false
			}
			if r.URL.Query().Get("index") != "" {
				select {
				case <-slow:
				case <-r.Context().Done():
				}
			}
			reply(w, "7", "["+instance("10.1.0.1:80")+"]")
			return true
		})
		cfg := f.config()
		cfg.Datacenters = []string{"east", "west"}
		r := open(t, cfg)
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(time.Second)
		if got, _ := c.last(); got != "10.0.0.1:80 10.1.0.1:80" {
			t.Fatalf("endpoints = %s", got)
		}
		for _, ep := range c.sets[len(c.sets)-1] {
			if want := map[string]uint32{"10.0.0.1:80": 0, "10.1.0.1:80": 1}[ep.Addrs[0]]; ep.Priority != want {
				t.Errorf("%s has priority %d, want %d", ep.Addrs[0], ep.Priority, want)
			}
		}
		f.set("web") // east has nobody left; west stays
		after(time.Second)
		if got, _ := c.last(); got != "10.1.0.1:80" {
			t.Errorf("endpoints = %s, want the west's", got)
		}
	})
}

// An answer to a watch that is on its way while a Lookup brings what came after it is not
// taken.
func TestWatch_dropsWhatALookupHasOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80")) // index 11
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 2 {
				time.Sleep(5 * time.Second)
				reply(w, "12", "["+instance("10.0.0.2:80")+"]")
			}
			return n == 2
		})
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(time.Second)
		f.set("web", instance("10.0.0.2:80"))
		f.set("web", instance("10.0.0.3:80"))
		eps, err := r.Lookup(t.Context(), "web")
		if err != nil || addresses(eps) != "10.0.0.3:80" {
			t.Errorf("got %v, %v", eps, err)
		}
		after(10 * time.Second)
		c.want(t, "10.0.0.3:80", 2)
	})
}

func TestWatch_endsWithTheRegistry(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		c := collect(r, "web")
		after(0)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		c.stop()
		late := collect(r, "web")
		after(0)
		if len(late.errs) != 1 {
			t.Errorf("a watch after Close: errors %v", late.errs)
		}
		late.stop()
	})
}

func TestLookup_asksTheLeaderOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		eps, err := r.Lookup(t.Context(), "web")
		if err != nil || addresses(eps) != "10.0.0.1:80" {
			t.Errorf("Lookup = %v, %v", eps, err)
		}
		if q := f.queries(); len(q) != 1 || q[0].query != "" {
			t.Errorf("queries = %v, want one that is not stale and does not block", q)
		}
		f.kill()
		if _, err := r.Lookup(t.Context(), "web"); err == nil {
			t.Error("Lookup of a dead agent succeeds")
		}
	})
}
