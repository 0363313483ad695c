// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"fmt"
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

// Two instances whose clocks are a minute apart share one limit; the control takes the
// caller's time instead of the server's.
func TestScenarioO21_clocksApart(t *testing.T) {
	const rate, burst, lasts = 500, 50, 4 * time.Second
	server := redistest.Start(t)
	run := func(name string, take func(i int) bool) float64 {
		began, admitted := time.Now(), 0
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for time.Since(began) < lasts {
			for i := range 2 {
				if take(i) {
					admitted++
				}
			}
			<-tick.C
		}
		want := burst + rate*time.Since(began).Seconds()
		t.Logf("%s: %d admitted, the limit is %.0f", name, admitted, want)
		return float64(admitted) / want
	}
	offsets := [2]time.Duration{30 * time.Second, -30 * time.Second}
	var quotas [2]*redislimit.Quota
	for i := range quotas {
		client, err := redislimit.Connect(at(server.Addr))
		if err != nil {
			t.Fatal(err)
		}
		now := func() enmesh.Instant { return enmesh.Now().Add(offsets[i]) }
		quotas[i], err = redislimit.NewWithClock(client, redislimit.Config{Name: "o21", Rate: rate, Burst: burst}, now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = quotas[i].Close(); _ = client.Close() })
	}
	ratio := run("the server's time", func(i int) bool {
		_, err := quotas[i].Admit(t.Context(), &enmesh.Call{Clock: enmesh.Now().Add(offsets[i])})
		return err == nil
	})
	if ratio < 0.98 || ratio > 1.02 {
		t.Errorf("%.3f of the limit admitted, want it within a fiftieth", ratio)
	}
	naive := redis.NewScript(strings.Replace(redislimit.Script, redislimit.ReadsClock, "local time = {ARGV[5], ARGV[6]}", 1))
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	control := run("control, the caller's time", func(i int) bool {
		now := time.Now().Add(offsets[i])
		row, err := naive.Run(t.Context(), client, []string{"naive"}, 1e6/rate, burst, 1, 0, now.Unix(), now.Nanosecond()/1000).Int64Slice()
		if err != nil {
			t.Fatal(err)
		}
		return row[0] == 1
	})
	if control > 0.9 && control < 1.1 {
		t.Errorf("the control admits %.3f of its limit: it would not show an error", control)
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
