// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A reader may look first when the news of an unknown service, the empty set after it and
// perhaps the end of that news are there together.
func TestFollower_tellsThatAServiceIsUnknownBeforeItsEmptySet(t *testing.T) {
	for name, over := range map[string]bool{"while the error stands": false, "when it is over": true} {
		t.Run(name, func(t *testing.T) {
			f := &follower{changed: make(chan struct{})}
			v := view{known: true, version: 1, err: ErrUnknownService, last: ErrUnknownService, news: 1}
			if over {
				v.err, v.restored = nil, 1
			}
			f.view, f.fresh = v, true
			f.publish()
			var got []string
			f.serve(t.Context(), (*view).newSet, func(set []Endpoint, err error) bool {
				if err != nil {
					got = append(got, err.Error())
					return true
				}
				got = append(got, "a set")
				return false // the last there is
			})
			if want := []string{ErrUnknownService.Error(), "a set"}; !slices.Equal(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

// A reader may look at any moment of a step in which the registry is back: between the
// set and the end of the error it would be told the set, and once more for the end.
func TestFollower_opensAStepWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := NewCache(NewMemory(), CacheConfig{})
		if err != nil {
			t.Fatal(err)
		}
		f := newFollower(c, "a")
		next := alarm{time.Now().Add(time.Hour)}
		var parts sync.WaitGroup
		f.looker = nil
		f.step()
		f.fail(errors.New("refused"))
		f.act(t.Context(), &parts)
		before, _ := f.read()
		if before.err == nil {
			t.Fatal("the error was not told")
		}
		f.step()
		f.hear(reply{set: []Endpoint{{Addrs: []string{"127.0.0.1:1"}}}})
		for name, part := range map[string]func(){
			"its words": f.hearsay, "its set": func() { f.show(&next) }, "its end of an error": func() { f.tell(&next) }, "its status": f.conclude,
		} {
			part()
			if v, _ := f.read(); v.known || v.words != 0 || v.err == nil {
				t.Errorf("a reader saw %s before the step was done", name)
			}
		}
		f.publish()
		if v, _ := f.read(); !v.known || v.words != 1 || v.err != nil {
			t.Errorf("after the step readers see %+v", v)
		}
	})
}
