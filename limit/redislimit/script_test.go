// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// Keys of every kind are limited apart, and are of one length in Redis.
func TestScenarioO16_hostileKeys(t *testing.T) {
	server := redistest.Start(t)
	q := open(t, at(server.Addr), redislimit.Config{Name: "o16", Rate: 0.01, Burst: 2, Lease: -1}, byAuthority)
	keys := []string{
		"", "a", "A", "a\r\nSET x 1\r\n", "a\r\n", "a\x00", "a\x00b", "{}", "{a}", "{a}b", "}{", "{", "enmesh:quota:{a}",
		"\u0430", "a\u0301", "\u00e1", "\xff\xfe", strings.Repeat("k", 1<<20), strings.Repeat("k", 1<<20-1), " a", "*", "a*",
	}
	for _, key := range keys {
		if got := take(q, key, 5); got != 2 {
			t.Errorf("%.30q: %d of 5 admitted, want 2", key, got)
		}
	}
	stored := server.Keys()
	sizes := map[int]int{}
	for _, key := range stored {
		if !strings.Contains(key, "members") {
			sizes[len(key)]++
		}
	}
	if len(sizes) != 1 || sizes[len(q.RedisKey(""))] != len(keys) {
		t.Errorf("lengths of the keys and how many have them: %v, want one length, and %d keys", sizes, len(keys))
	}
	other := open(t, at(server.Addr), redislimit.Config{Name: "o16a", Rate: 0.01, Burst: 2}, byAuthority)
	for _, pair := range [][2]string{{q.RedisKey("ab"), other.RedisKey("b")}, {q.RedisKey("a"), other.RedisKey("")}} {
		if pair[0] == pair[1] {
			t.Errorf("two quotas share the key %s", pair[0])
		}
	}
}

// Whatever happens, no key stays for ever: each is written with its time to live by the
// same script.
func TestScenarioO20_everyKeyEnds(t *testing.T) {
	server := redistest.Start(t)
	cfg := redislimit.Config{Name: "o20", Rate: 10, Burst: 50}
	quotas := fleet(t, 2, at(server.Addr), cfg, byAuthority)
	known(t, quotas)
	server.Do("SET", quotas[0].RedisKey("ahead"), "99999999999999999") // no time to live, and far in the future
	for i := range 300 {
		take(quotas[i%2], strconv.Itoa(i%100), 1+i%7)
	}
	take(quotas[0], "ahead", 3)
	fill, n := 5*time.Second, 0
	for _, key := range server.Keys() {
		left, ok := server.Do("PTTL", key).(int64)
		n++
		if ttl := time.Duration(left) * time.Millisecond; !ok || left == -1 || ttl > fill {
			t.Errorf("%s lives for %d ms more, want at most %v", key, left, fill)
		}
	}
	if n < 100 {
		t.Errorf("%d keys, want 100 and more", n)
	}
	t.Logf("%d keys, each with a time to live of at most %v", n, fill)
	if writes := strings.Count(redislimit.Script, "redis.call('SET'"); writes != 1 || !strings.Contains(redislimit.Script, "'PX'") {
		t.Errorf("the script sets %d times, want once, with PX", writes)
	}
}

// Two instances whose clocks are a minute apart share one limit as two whose clocks agree
// do, which are asked in turn with them. A third pair takes the caller's time instead of
// the server's: what is avoided.
func TestScenarioO21_clocksApart(t *testing.T) {
	const rate, burst, seconds = 500, 250, 4
	server := redistest.Start(t)
	offsets := [2]time.Duration{30 * time.Second, -30 * time.Second}
	var apart, agree [2]*redislimit.Quota
	for i, offset := range offsets {
		apart[i] = openAt(t, server, "apart", rate, burst, offset)
		agree[i] = openAt(t, server, "agree", rate, burst, 0)
	}
	naive := naiveTake(t, server, rate, burst)
	var admitted struct{ apart, agree, naive int }
	count := func(n *int, ok bool) {
		if ok {
			*n++
		}
	}
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := range seconds * 1000 { // two calls a millisecond on each pair
		timer.Reset(time.Until(began.Add(time.Duration(n) * time.Millisecond)))
		<-timer.C
		for i, offset := range offsets {
			count(&admitted.apart, admitAt(apart[i], offset))
			count(&admitted.agree, admitAt(agree[i], 0))
			count(&admitted.naive, naive(offset))
		}
	}
	limit := burst + rate*time.Since(began).Seconds()
	t.Logf("the limit is %.0f; clocks apart: %d admitted; clocks that agree: %d; by the caller's time: %d",
		limit, admitted.apart, admitted.agree, admitted.naive)
	within := func(got int, want, share float64) bool { return math.Abs(float64(got)-want) <= share*want }
	if want := float64(admitted.agree); !within(admitted.apart, want, 0.02) {
		t.Errorf("%d admitted with clocks apart, want %v within a fiftieth", admitted.apart, want)
	}
	if within(admitted.naive, limit, 0.1) {
		t.Errorf("by the caller's time %d are admitted, near the limit of %.0f: it would not show an error", admitted.naive, limit)
	}
}

// openAt is a quota of a process whose clock is wrong by the offset.
func openAt(t *testing.T, server *redistest.Server, name string, rate float64, burst int, offset time.Duration) *redislimit.Quota {
	t.Helper()
	client, err := redislimit.Connect(at(server.Addr))
	if err != nil {
		t.Fatal(err)
	}
	now := func() enmesh.Instant { return enmesh.Now().Add(offset) }
	q, err := redislimit.NewWithClock(client, redislimit.Config{Name: name, Rate: rate, Burst: burst}, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(q.Close(), client.Close()) })
	return q
}

func admitAt(q *redislimit.Quota, offset time.Duration) bool {
	_, err := q.Admit(context.Background(), &enmesh.Call{Clock: enmesh.Now().Add(offset)})
	return err == nil
}

// naiveTake is the script with the caller's time in place of the server's.
func naiveTake(t *testing.T, server *redistest.Server, rate float64, burst int) func(time.Duration) bool {
	t.Helper()
	script := redis.NewScript(strings.Replace(redislimit.Script, redislimit.ReadsClock, "local time = {ARGV[5], ARGV[6]}", 1))
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = client.Close() })
	return func(offset time.Duration) bool {
		now := time.Now().Add(offset)
		row, err := script.Run(context.Background(), client, []string{"naive"}, 1e6/rate, burst, 1, 0, now.Unix(), now.Nanosecond()/1000).Int64Slice()
		if err != nil {
			t.Fatal(err)
		}
		return row[0] == 1
	}
}

// What somebody else has put into a key neither lifts the limit nor breaks the caller.
func TestScenarioO22_foreignValues(t *testing.T) {
	server := redistest.Start(t)
	tests := []struct {
		name  string
		set   []string
		alien bool
		most  int
	}{
		{"a list", []string{"RPUSH", "", "x"}, true, 2},
		{"a hash", []string{"HSET", "", "a", "b"}, true, 2},
		{"words", []string{"SET", "", "unlimited"}, true, 2},
		{"empty", []string{"SET", "", ""}, true, 2},
		{"not a number", []string{"SET", "", "nan"}, true, 2},
		{"infinite", []string{"SET", "", "inf"}, false, 0},
		{"huge", []string{"SET", "", "1e300"}, false, 0},
		{"less than nothing", []string{"SET", "", "-1e300"}, false, 4},
		{"less than infinite", []string{"SET", "", "-inf"}, false, 4},
		{"binary", []string{"SET", "", "\x00\xff\r\n"}, true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen decisions
			cfg := redislimit.Config{Name: "o22 " + tt.name, Rate: 0.01, Burst: 4, Instances: 2, Recorder: &seen}
			q := open(t, at(server.Addr), cfg, nil)
			tt.set[1] = q.RedisKey("")
			server.Do(tt.set...)
			got, s := take(q, "", 20), q.Stats()
			if got != tt.most || (s.Alien > 0) != tt.alien || s.Open != 0 {
				t.Errorf("%d of 20 admitted, %+v; want %d, alien %v, and the breaker closed", got, s, tt.most, tt.alien)
			}
			if want := uint64(seen.n.Load()); s.Local != want {
				t.Errorf("%d local decisions, %d recorded", s.Local, want)
			}
			if tt.alien && s.Asked > 2 {
				t.Errorf("%d round trips for a key that is no use to ask for, want at most 2", s.Asked)
			}
		})
	}
}

// The hash slot that decides which breaker a key stands behind is the cluster's.
func TestQuota_knowsTheSlot(t *testing.T) {
	c := redistest.NewCluster(t)
	q := open(t, redislimit.Servers{Addrs: c.Addrs()}, redislimit.Config{Name: "slots", Rate: 1}, nil)
	for i := range 50 {
		key := fmt.Sprint("key ", i)
		if got, want := int64(q.SlotOf(key)), c.Masters[0].Do("CLUSTER", "KEYSLOT", q.RedisKey(key)); got != want {
			t.Errorf("%s is in slot %d, want %d", key, got, want)
		}
	}
}
