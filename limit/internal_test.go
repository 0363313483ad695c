// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/enmesh-go/enmesh"
)

// The vectors of SipHash's authors, for messages of whole words: the bytes 0, 1, 2, ...
// under the key 0, 1, ..., 15.
func TestSip_vectors(t *testing.T) {
	key := secret{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	for words, want := range map[int]string{
		0: "\xa3\x81\x7f\x04\xba\x25\xa8\xe6\x6d\xf6\x72\x14\xc7\x55\x02\x93",
		1: "\x3b\x62\xa9\xba\x62\x58\xf5\x61\x0f\x83\xe2\x64\xf3\x14\x97\xb4",
	} {
		s := key.start()
		for i := range words {
			var b [8]byte
			for j := range b {
				b[j] = byte(8*i + j)
			}
			s.word(binary.LittleEndian.Uint64(b[:]))
		}
		got := s.sum()
		var b [16]byte
		binary.LittleEndian.PutUint64(b[:8], got.hi)
		binary.LittleEndian.PutUint64(b[8:], got.lo)
		if string(b[:]) != want {
			t.Errorf("%d words: %x, want %x", words, b, want)
		}
	}
}

// No two lists of parts are one hash, wherever the cuts are.
func TestSip_partsDoNotRunTogether(t *testing.T) {
	key := newSecret()
	seen := map[digest][]string{}
	for _, parts := range [][]string{
		{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"a\x00"}, {"a\x00\x00\x00\x00\x00\x00\x00"},
		{"abcdefgh"}, {"abcdefgh", ""}, {"abcd", "efgh"}, {"abcdefgh\x00"}, {"\x01\x00\x00\x00\x00\x00\x00\x00"}, {"\x01"},
	} {
		s := key.start()
		for _, part := range parts {
			s.part(part)
		}
		d := s.sum()
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have one hash", parts, other)
		}
		seen[d] = parts
	}
}

// The table and a map of the same states say the same, whatever the table moves about,
// so long as it has room.
func TestTable_isAMapThatForgetsWhatIsFresh(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := &fixedRule{grid{int64(time.Second), 0}, 3}
	table := newTable(r, 1)
	model := map[digest]*state{}
	at, spilled := enmesh.Instant(time.Hour), 0
	for range 100_000 {
		at = at.Add(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
		key := digest{random.Uint64N(4) << 60, 1 + shards*random.Uint64N(6)} // all in one shard, near to each other
		n := 1 + random.IntN(2)
		got, ok := table.take(key, at, n, true)
		if !ok {
			spilled++
			continue
		}
		if model[key] == nil {
			model[key] = &state{}
		}
		if want := r.take(model[key], at, n, true); got != want {
			t.Fatalf("key %v: %+v, want %+v", key, got, want)
		}
		if used, most := table.keys(), table.most; used > most {
			t.Fatalf("%d keys, want at most %d", used, most)
		}
	}
	if spilled == 0 {
		t.Error("the table was never full: nothing is shown")
	}
	check(t, table)
}

// check looks for every key of the table.
func check(t *testing.T, table *table) {
	t.Helper()
	for i := range table.shards {
		s := &table.shards[i]
		used := 0
		for j := range s.places {
			key := s.places[j].key
			if key == (digest{}) {
				continue
			}
			used++
			if p, _ := s.look(table.rule, key, 0); p != &s.places[j] {
				t.Fatalf("key %v is in place %d and not found there", key, j)
			}
		}
		if used != s.used {
			t.Fatalf("shard %d has %d keys, and counts %d", i, used, s.used)
		}
	}
}

// A key keeps its place while others come and go, until it is fresh; every place is in
// use before a key has none.
func TestTable_givesUpOnlyWhatIsFresh(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	r := &bucketRule{rate: 1, burst: 1}
	table := newTable(r, 1000)
	at := enmesh.Instant(time.Hour)
	limited := make([]digest, 900)
	for i := range limited {
		limited[i] = digest{random.Uint64(), random.Uint64()}
		if v, ok := table.take(limited[i], at, 1, false); !ok || !v.ok {
			t.Fatalf("key %d: %+v, %v; want it to go", i, v, ok)
		}
	}
	spilled := 0
	for range 100_000 {
		if _, ok := table.take(digest{random.Uint64(), random.Uint64()}, at, 1, false); !ok {
			spilled++
		}
	}
	for i, key := range limited {
		if v, ok := table.take(key, at.Add(999*time.Millisecond), 1, false); !ok || v.ok {
			t.Fatalf("key %d is forgiven: %+v, %v", i, v, ok)
		}
	}
	if held := table.keys(); held != shards*table.most || spilled != 100_900-held {
		t.Errorf("%d keys held and %d spilled, want %d in all and no place unused", held, spilled, shards*table.most)
	}
	after := at.Add(2 * time.Second)
	for i := range 1000 { // all are fresh: every new key finds a place
		if _, ok := table.take(digest{random.Uint64(), random.Uint64()}, after, 1, false); !ok {
			t.Fatalf("new key %d finds no place", i)
		}
	}
	check(t, table)
}

func TestRound(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0: time.Millisecond, 1: time.Millisecond, time.Millisecond: time.Millisecond, time.Millisecond + 1: 2 * time.Millisecond,
		99 * time.Millisecond: 99 * time.Millisecond, 101 * time.Millisecond: 110 * time.Millisecond,
		250 * time.Millisecond: 250 * time.Millisecond, 991 * time.Millisecond: time.Second, 1001 * time.Millisecond: 1100 * time.Millisecond,
		time.Hour: time.Hour, longest: longest, longest + 1: longest,
	} {
		digits, power, got := round(d)
		if got != want || digits < 1 || digits > 99 || power > 11 {
			t.Errorf("round(%v) = %d, %d, %v; want %v", d, digits, power, got, want)
		}
	}
	r := newRefusals("limit", 429)
	if r.after(time.Second) != r.after(999*time.Millisecond) || r.after(longest).RetryAfter != longest {
		t.Error("refusals of one wait differ, or the longest is not told")
	}
}

// What every call that is admitted changes shares one cache line; with two, two processors would
// hand both to and fro.
func TestWindows_whatCallsChangeSharesALine(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("laid out for 64 bits")
	}
	const line = 64
	var l log
	var s sliced
	for what, end := range map[string]uintptr{
		"a log":     unsafe.Offsetof(l.units) + unsafe.Sizeof(l.units),
		"a counter": unsafe.Offsetof(s.sum) + unsafe.Sizeof(s.sum),
	} {
		if end > line {
			t.Errorf("what calls change of %s ends at byte %d, want within %d", what, end, line)
		}
	}
	// Memory for as many whole lines begins with one.
	if leaky, counter := unsafe.Sizeof(queued{}), unsafe.Sizeof(s); leaky != line || counter != 2*line {
		t.Errorf("what a leaky bucket holds takes %d bytes, a counter %d, want %d and %d", leaky, counter, line, 2*line)
	}
	if reads, size := unsafe.Offsetof(l.shut), unsafe.Sizeof(l); reads < line || size != 2*line {
		t.Errorf("what calls only read of a log begins at byte %d of %d, want at %d of %d", reads, size, line, 2*line)
	}
}

// A log never admits more than it may, and refuses only what would have been too much a grain
// before. It keeps as many entries as there are grains in a window.
func TestLog_isExactToAGrain(t *testing.T) {
	const most, calls = 500, 200_000
	l := newLog(most, time.Millisecond)
	r := rand.New(rand.NewPCG(1, 2))
	type went struct {
		at enmesh.Instant
		n  int
	}
	var log []went
	// taken is what went in the span that ends at now.
	taken := func(now enmesh.Instant, span time.Duration) (units int) {
		for i := len(log) - 1; i >= 0 && now.Sub(log[i].at) < span; i-- {
			units += log[i].n
		}
		return units
	}
	now, refused, together := enmesh.Instant(1), 0, 0
	for range calls {
		switch r.IntN(20) {
		case 0:
			now = now.Add(time.Duration(r.Int64N(int64(time.Millisecond / 4))))
		default:
			now = now.Add(time.Duration(r.Int64N(int64(leastGrain / 2))))
		}
		n := 1 + r.IntN(3)
		before := l.newest.units
		if l.take(now, n, false).ok {
			log = append(log, went{now, n})
			if l.newest.units > n && before > 0 {
				together++
			}
			if sum := taken(now, l.window); sum > most {
				t.Fatalf("%d units went within a window, want %d at most", sum, most)
			}
			continue
		}
		refused++
		if sum := taken(now, l.window+l.grain); sum+n <= most {
			t.Fatalf("%d units were refused where %d of %d had gone within a window and a grain", n, sum, most)
		}
	}
	if refused < calls/100 || together < calls/100 {
		t.Fatalf("%d of %d calls were refused and %d written down with others: it shows little", refused, calls, together)
	}

	l = newLog(1_000_000, time.Second)
	for i := range 2_000_000 {
		l.take(enmesh.Instant(1).Add(time.Duration(i)*time.Microsecond), 1, false)
	}
	if got := int(l.count); got > grains+1 || l.units < 900_000 {
		t.Errorf("%d units stand in %d entries, want at most %d", l.units, got, grains+1)
	}
}
