// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/consul"
)

// The rules of watching Consul, each with its test. Most of what they guard against is
// something that Consul, or a client of it, has done to somebody.

func indexes(asked []ask) []string {
	var out []string
	for _, a := range asked {
		out = append(out, a.index)
	}
	return out
}

func TestRule01_anIndexThatGoesBackwardsStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80")) // index 11
		var told events
		cfg := f.config()
		cfg.OnEvent = told.add
		r := open(t, cfg)
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 3 { // of an older state, which is not to be believed
				reply(w, "4", "["+instance("10.0.0.9:80")+"]")
				return true
			}
			return false
		})
		f.set("web", instance("10.0.0.1:80"), instance("10.0.0.2:80")) // wakes query 2; 3 is the liar
		after(time.Second)
		f.answerWith(nil)
		c.want(t, "10.0.0.1:80 10.0.0.2:80", 2)
		if got := indexes(f.queries()); !slices.Equal(got, []string{"", "11", "12", "", "12"}) {
			t.Errorf("indexes sent = %q, want a restart without one after the fall, and then none lower", got)
		}
		if s := r.Status()[0]; s.Backwards != 1 || told.count(consul.BadIndex) != 1 {
			t.Errorf("%d falls counted and %d told, want 1 and 1", s.Backwards, told.count(consul.BadIndex))
		}
	})
}

// The restore of a snapshot wakes a query at once with what was before, and the index that
// was sent; with that index the next one would wait in vain.
func TestRule01_anAnswerThatComesForNothingStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80")) // index 11
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			switch n {
			case 3:
				reply(w, "12", "["+instance("10.0.0.1:80")+"]")
			case 4:
				reply(w, "5", "["+instance("10.0.0.2:80")+"]")
			}
			return n == 3 || n == 4
		})
		f.mu.Lock()
		f.bump(1)
		f.mu.Unlock()
		after(2 * time.Second)
		c.want(t, "10.0.0.1:80", 3) // the restored state was seen, and then the fake's own again
		if got := indexes(f.queries()); len(got) < 4 || !slices.Equal(got[:4], []string{"", "11", "12", ""}) {
			t.Errorf("indexes sent = %q, want one without after the answer that came for nothing", got)
		}
	})
}

// Indexes that go backwards, as often as they may, do not keep a change from being seen.
func TestRule01_fallsDoNotBlind(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.mu.Lock()
		f.bump(1_000_000)
		f.mu.Unlock()
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		for i := range 8 {
			f.mu.Lock()
			f.bump(-1000)
			f.mu.Unlock()
			after(2500 * time.Millisecond)
			addr := fmt.Sprintf("10.0.0.%d:80", 2+i)
			f.set("web", instance(addr))
			after(2 * time.Second)
			c.want(t, addr, 2+i)
		}
		if n := len(f.queries()); n > 2+36 {
			t.Errorf("%d queries in 36 s, want at most one a second", n)
		}
	})
}

// A query that is put after the fall, with an index from before it, would block to its end.
func TestRule01_aFallBetweenQueriesIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.mu.Lock()
		f.bump(1_000_000)
		f.mu.Unlock()
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		for range 5 { // until the loop pauses
			f.mu.Lock()
			f.bump(1)
			f.mu.Unlock()
			after(10 * time.Millisecond)
		}
		f.mu.Lock()
		f.bump(-1000)
		f.mu.Unlock()
		f.set("web", instance("10.0.0.2:80"))
		asked := len(f.queries())
		after(7 * time.Second)
		c.want(t, "10.0.0.2:80", 2)
		after(53 * time.Second)
		if n := len(f.queries()) - asked; n > 5 {
			t.Errorf("%d queries in a minute, want that the last one blocks", n)
		}
	})
}

func TestRule02_anIndexOfNoUseIsTakenAsOne(t *testing.T) {
	for _, index := range []string{"", "0", "-1", "abc", "9223372036854775808", "99999999999999999999999"} {
		t.Run(index, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake) {
				body := func(addr string) string { return "[" + instance(addr) + "]" }
				addr := "10.0.0.1:80"
				f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
					if strings.HasPrefix(r.URL.Path, "/v1/health") {
						f.mu.Lock()
						text := body(addr)
						f.mu.Unlock()
						reply(w, index, text)
						return true
					}
					return false
				})
				r := open(t, f.config())
				defer r.Close()
				c := collect(r, "web")
				defer c.stop()
				after(20 * time.Second)
				c.want(t, "10.0.0.1:80", 1)
				asked := f.queries()
				if n := len(asked); n > 2+20 || n < 10 {
					t.Errorf("%d queries in 20 s, want at most one a second, and enough to see a change", n)
				}
				if got := indexes(asked); got[0] != "" || slices.Contains(got[1:], "") || slices.ContainsFunc(got[1:], func(s string) bool { return s != "1" }) {
					t.Errorf("indexes sent = %q, want 1 after the first", got)
				}
				if s := r.Status()[0]; s.BadIndexes != uint64(len(asked)) {
					t.Errorf("%d bad indexes counted of %d", s.BadIndexes, len(asked))
				}
				f.mu.Lock()
				addr = "10.0.0.2:80"
				f.mu.Unlock()
				after(2 * time.Second)
				c.want(t, "10.0.0.2:80", 2)
			})
		})
	}
}

func TestRule03_aReturnIsNoChange(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		a, b := instance("10.0.0.1:80"), instance("10.0.0.2:80")
		f.set("web", a, b)
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		for _, same := range [][]string{{a, b}, {b, a}, {a, b, a}, {
			instance("10.0.0.1:80", field("ModifyIndex", 99), field("Unheard", []int{1})), b,
		}} {
			f.set("web", same...)
			after(10 * time.Second)
		}
		c.want(t, "10.0.0.1:80 10.0.0.2:80", 1)
	})
}

func TestRule04_aLongPollIsNotCutShort(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		late := 60*time.Second + 60*time.Second/16 // as late as Consul may be
		var frozen atomic.Bool
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.URL.Query().Get("index") == "" || !strings.HasPrefix(r.URL.Path, "/v1/health") {
				return false
			}
			if frozen.Load() {
				<-r.Context().Done()
				return true
			}
			time.Sleep(late)
			reply(w, "11", "["+instance("10.0.0.1:80")+"]")
			return true
		})
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(3 * time.Minute)
		if got := c.reasons(); len(got) != 0 {
			t.Errorf("errors = %q, want none from an agent as late as it may be", got)
		}
		frozen.Store(true)
		after(late) // the query that is under way was asked before
		after(late + 5*time.Second)
		if got := c.reasons(); !slices.Equal(got, []string{consul.Timeout}) {
			t.Errorf("errors = %q, want one timeout from a frozen agent within wait + wait/16 + 5 s", got)
		}
		c.want(t, "10.0.0.1:80", 1)
		if q := f.queries(); !strings.Contains(q[1].query, "wait=60000ms") || !strings.Contains(q[len(q)-1].query, "index=11") {
			t.Errorf("queries = %v, want the wait sent and the index kept", q)
		}
	})
}

func TestRule05_theLoopIsPacedByABucket(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		churn(f, 60*time.Second)
		c.want(t, "10.0.0.1:80", 1)
		if n := len(f.queries()); n > 2+2+12 {
			t.Errorf("%d queries in a minute of churn, want 2 to begin with, 2 in a burst and one in 5 s", n)
		}
		f.set("web", instance("10.0.0.2:80"))
		after(5 * time.Second)
		c.want(t, "10.0.0.2:80", 2)
	})
}

// churn moves the index every 10 ms.
func churn(f *fake, d time.Duration) {
	for range d / (10 * time.Millisecond) {
		f.mu.Lock()
		f.bump(1)
		f.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

func TestRule06_aMissingServiceDoesNotSpin(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "nobody")
		defer c.stop()
		churn(f, 30*time.Second)
		if n := len(f.queries()); n > 2+2+6 {
			t.Errorf("%d queries in half a minute, want at most 10", n)
		}
		c.want(t, "", 1)
	})
}

func TestRule07_anErrorTakesNothingAway(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		var told events
		cfg := f.config()
		cfg.OnEvent = told.add
		r := open(t, cfg)
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		var failing atomic.Bool
		failing.Store(true)
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if !failing.Load() {
				return false
			}
			http.Error(w, "rpc error: No cluster leader", http.StatusInternalServerError)
			return true
		})
		f.mu.Lock()
		f.bump(1)
		f.mu.Unlock()
		after(2 * time.Minute)
		c.want(t, "10.0.0.1:80", 1)
		asked := f.queries()
		if n := len(asked); n < 15 || n > 90 {
			t.Errorf("%d queries in 2 min of errors, want waits that grow to 0-10 s", n)
		}
		if got := indexes(asked); slices.Contains(got[3:], "") {
			t.Errorf("indexes sent = %q, want the index kept over status 500", got)
		}
		if told.count(consul.Failing) != 1 || len(c.reasons()) != 1 {
			t.Errorf("told %d times of the failure and yielded %q, want once each", told.count(consul.Failing), c.reasons())
		}
		failing.Store(false)
		after(11 * time.Second)
		if told.count(consul.Recovered) != 1 || r.Status()[0].Err != nil {
			t.Errorf("told %d times of the recovery; status %v", told.count(consul.Recovered), r.Status()[0].Err)
		}
		c.want(t, "10.0.0.1:80", 2) // the same once more, which says that the error is over
	})
}

func TestRule07_theIndexIsForgottenWithItsServer(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		f.kill() // comes back with a lower index, as a dev agent does
		f.mu.Lock()
		f.index = 3
		f.services["web"] = []string{instance("10.0.0.2:80")}
		f.mu.Unlock()
		after(time.Minute)
		c.want(t, "10.0.0.1:80", 1)
		f.revive()
		after(2 * time.Second)
		c.want(t, "10.0.0.2:80", 2)
		f.mu.Lock() // another server behind the same name
		f.peer, f.index = "10.9.9.10:8500", 2
		f.services["web"] = []string{instance("10.0.0.3:80")}
		f.mu.Unlock()
		f.server.Close()
		f.revive()
		after(2 * time.Second)
		c.want(t, "10.0.0.3:80", 3)
	})
}

func TestRule07_anotherServerAtOnceStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		hold := make(chan struct{})
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 2 { // answer, and close the connection as a balancer would
				<-hold
				w.Header().Set("Connection", "close")
			}
			return false
		})
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		f.mu.Lock()
		f.peer = "10.9.9.10:8500"
		f.bump(1)
		f.mu.Unlock()
		close(hold)
		after(time.Second)
		if got := indexes(f.queries()); len(got) < 3 || !slices.Contains(got[2:], "") {
			t.Errorf("indexes sent = %q, want a start without one at the other server", got)
		}
		if got := c.reasons(); len(got) != 0 {
			t.Errorf("errors = %q, want none", got)
		}
	})
}

func TestRule07_aServerWithoutALeaderStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n != 1 {
				return false
			}
			w.Header().Set("X-Consul-Index", "11")
			w.Header().Set("X-Consul-KnownLeader", "false")
			fmt.Fprint(w, "["+instance("10.0.0.1:80")+"]")
			return true
		})
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		c.want(t, "", 2)
		if got := indexes(f.queries()); !slices.Equal(got[:2], []string{"", ""}) {
			t.Errorf("indexes sent = %q, want none after an answer without a leader", got)
		}
	})
}

func TestRule08_staleAnswersAreWatchedAndNotRefused(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n != 1 {
				return false
			}
			w.Header().Set("X-Consul-Index", "11")
			w.Header().Set("X-Consul-LastContact", "31000")
			w.Header().Set("X-Consul-KnownLeader", "true")
			fmt.Fprint(w, "["+instance("10.0.0.7:80")+"]")
			return true
		})
		var told events
		cfg := f.config()
		cfg.OnEvent = told.add
		r := open(t, cfg)
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		c.want(t, "10.0.0.7:80", 1)
		if told.count(consul.Lagging) != 1 || r.Status()[0].Contact != 31*time.Second {
			t.Errorf("told %d times of the lag, status %v; want once, 31 s", told.count(consul.Lagging), r.Status()[0].Contact)
		}
		for _, q := range f.queries() {
			if !strings.Contains(q.query, "stale=") || strings.Contains(q.query, "cached") {
				t.Errorf("query %s, want stale and never cached", q.query)
			}
		}
	})
}

func TestRule09_anEmptyAnswerWithoutALeaderIsNotTaken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		f.set("web", instance("10.0.0.1:80"))
		r := open(t, f.config())
		defer r.Close()
		c := collect(r, "web")
		defer c.stop()
		after(0)
		var leaderless atomic.Bool
		leaderless.Store(true)
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			if !leaderless.Load() || !strings.HasPrefix(r.URL.Path, "/v1/health") {
				return false
			}
			w.Header().Set("X-Consul-Index", "99")
			w.Header().Set("X-Consul-KnownLeader", "false")
			fmt.Fprint(w, "[]")
			return true
		})
		f.mu.Lock()
		f.bump(1)
		f.mu.Unlock()
		after(15 * time.Second)
		c.want(t, "10.0.0.1:80", 1)
		if got := c.reasons(); !slices.Equal(got, []string{consul.Leaderless}) {
			t.Errorf("errors = %q, want one: leaderless", got)
		}
		leaderless.Store(false)
		f.set("web")
		after(11 * time.Second)
		c.want(t, "", 2) // a leader says so
	})
}

func TestRule10_denialIsAnErrorAndNotEmptiness(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		reason string
	}{
		"403": {func(w http.ResponseWriter) { http.Error(w, "Permission denied", http.StatusForbidden) }, consul.Denied},
		"ACL not found": {func(w http.ResponseWriter) {
			http.Error(w, "rpc error making call: ACL not found", http.StatusInternalServerError)
		}, consul.Denied},
		"filtered": {func(w http.ResponseWriter) {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
			reply(w, "12", "[]")
		}, consul.Filtered},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake) {
				f.set("web", instance("10.0.0.1:80"))
				cfg := f.config()
				cfg.Token = "secret"
				r := open(t, cfg)
				defer r.Close()
				c := collect(r, "web")
				defer c.stop()
				after(0)
				f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
					if n > 0 {
						tt.answer(w)
					}
					return n > 0
				})
				f.mu.Lock()
				f.bump(1)
				f.mu.Unlock()
				after(time.Minute)
				c.want(t, "10.0.0.1:80", 1)
				if got := c.reasons(); !slices.Equal(got, []string{tt.reason}) {
					t.Errorf("errors = %q, want %q once", got, tt.reason)
				}
				if s := r.Status()[0]; s.Failures[tt.reason] == 0 {
					t.Errorf("failures = %v, want %s counted", s.Failures, tt.reason)
				}
				for _, text := range c.errs {
					if strings.Contains(text.Error(), "secret") {
						t.Errorf("the error %q shows the token", text)
					}
				}
			})
		})
	}
}

func TestRule10_noTokenIsRefusedWhereNothingIsSeenWithoutOne(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		self := func(body string) func(w http.ResponseWriter, r *http.Request, n int) bool {
			return func(w http.ResponseWriter, r *http.Request, n int) bool {
				if r.URL.Path != "/v1/acl/token/self" {
					return false
				}
				fmt.Fprint(w, body)
				return true
			}
		}
		const bare = `{"AccessorID":"00000000-0000-0000-0000-000000000002"}`
		f.answerWith(self(bare))
		if _, err := consul.New(f.config()); !errors.Is(err, consul.ErrNoToken) {
			t.Errorf("New without a token under default deny = %v, want ErrNoToken", err)
		}
		for name, body := range map[string]string{
			"the anonymous token has a policy": `{"AccessorID":"00000000-0000-0000-0000-000000000002","Policies":[{"ID":"x"}]}`,
			"the agent has a token for it":     `{"AccessorID":"12345678-0000-0000-0000-000000000000"}`,
		} {
			f.answerWith(self(body))
			if r, err := consul.New(f.config()); err != nil {
				t.Errorf("%s: New = %v", name, err)
			} else {
				r.Close()
			}
		}
		f.kill() // who cannot be asked is no reason not to start
		r, err := consul.New(f.config())
		if err != nil {
			t.Fatalf("New with the agent down = %v", err)
		}
		defer r.Close()
		f.revive()
		f.answerWith(func(w http.ResponseWriter, r *http.Request, n int) bool {
			w.Header().Set("X-Consul-Default-ACL-Policy", "deny")
			return self(bare)(w, r, n)
		})
		c := collect(r, "web")
		defer c.stop()
		after(0)
		c.want(t, "none", 0)
		if got := c.reasons(); !slices.Equal(got, []string{consul.Anonymous}) {
			t.Errorf("errors = %q, want that nobody can be seen without a token", got)
		}
	})
}
