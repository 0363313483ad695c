// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"encoding/json"
	"net/http"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// TestScenarioD7_garbage: the registry answers 200 with what is no answer, or one of which
// a part is none. What was known stays, the rest is counted by what is wrong with it, and
// no body takes more memory than twice what may be read of one.
func TestScenarioD7_garbage(t *testing.T) {
	const largest, size = 16 << 20, 64 << 20
	l := newLab(t, 5)
	l.pace.Every = 100 * time.Millisecond // what is wrong is asked for again at once
	l.settled()
	load := l.load(100)
	told := l.updates()
	honest := l.rows()
	text := func(rows ...any) []byte {
		out, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	with := func(wrong ...any) []byte { return text(append(wrong, honest...)...) }
	odd := func(change func(node, service map[string]any)) any {
		row := l.rows()[0].(map[string]any)
		service := row["Service"].(map[string]any)
		service["ID"], service["Port"] = "odd", 9
		change(row["Node"].(map[string]any), service)
		return row
	}
	port := func(n int) any { return odd(func(_, service map[string]any) { service["Port"] = n }) }
	address := func(text string) any {
		return odd(func(node, service map[string]any) { node["Address"], service["Address"] = text, text })
	}
	mistyped := odd(func(_, service map[string]any) { service["Port"] = "eighty" })
	whole := text(honest...)
	for _, tt := range []struct {
		name     string
		reply    enmeshtest.ConsulReply
		failure  string // why the whole answer is refused
		rejected string // why a part of it is
	}{
		{"HTML", enmeshtest.ConsulReply{Body: []byte("<!doctype html><title>Sign in</title>")}, consul.Garbage, ""},
		{"truncated JSON", enmeshtest.ConsulReply{Body: whole[:len(whole)/2]}, consul.Garbage, ""},
		{"no list", enmeshtest.ConsulReply{Body: []byte(`{"Service": 1}`)}, consul.Garbage, ""},
		{"wrong types everywhere", enmeshtest.ConsulReply{Body: text(1, "two", []int{3}, mistyped)}, consul.Invalid, ""},
		{"a wrong type", enmeshtest.ConsulReply{Body: with(mistyped)}, "", "type"},
		{"a body of 64 MiB", enmeshtest.ConsulReply{Size: size}, consul.TooLarge, ""},
		{"a gzip bomb", enmeshtest.ConsulReply{Size: size, Gzip: true}, consul.TooLarge, ""},
		{"bad ports", enmeshtest.ConsulReply{Body: with(port(0), port(-1), port(70000))}, "", "port"},
		{"bad ports only", enmeshtest.ConsulReply{Body: text(port(0), port(-1), port(70000))}, consul.Invalid, ""},
		{"bad addresses", enmeshtest.ConsulReply{Body: with(address(""), address("::1%eth0"))}, "", "address"},
		{"bad addresses only", enmeshtest.ConsulReply{Body: text(address(""), address("::1%eth0"))}, consul.Invalid, ""},
		{"duplicates", enmeshtest.ConsulReply{Body: with(honest...)}, "", ""},
	} {
		before := l.status()
		asked, heap := len(l.registry.Requests(healthPath)), watchHeap()
		l.registry.Always(healthPath, tt.reply)
		l.sleep(ledger.Short(60*time.Second) / 12)
		now, grown := l.status(), heap()
		l.registry.Honest()
		failed, left := now.Failures[tt.failure]-before.Failures[tt.failure], now.Rejected[tt.rejected]-before.Rejected[tt.rejected]
		t.Logf("%s: %d questions, %d refused as %q, %d instances left out as %q, the heap grew by %d KiB",
			tt.name, len(l.registry.Requests(healthPath))-asked, failed, tt.failure, left, tt.rejected, grown>>10)
		if tt.failure != "" && failed == 0 || tt.rejected != "" && left == 0 || tt.failure == "" && now.Err != nil {
			t.Errorf("%s: failures %v, rejected %v, error %v; want %q and %q", tt.name, now.Failures, now.Rejected, now.Err, tt.failure, tt.rejected)
		}
		if grown > 2*largest {
			t.Errorf("%s: the heap grew by %d MiB, want at most %d", tt.name, grown>>20, 2*largest>>20)
		}
		l.within(20*time.Second, "the registry is believed again", func() bool { return l.status().Err == nil && !l.failing() && l.blocks() })
	}
	if all := told.list(); len(all) != 0 {
		t.Errorf("the cluster was told %+v, want nothing", all)
	}
	l.metric("suppressed_total{$} 0")
	l.none(load)
}

// failing reports whether the mesh says that the registry fails.
func (l *lab) failing() bool { return l.mesh.Status().Services[0].Err != nil }

// rows are the registry's own words about the shop.
func (l *lab) rows() []any {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.addr+healthPath, http.NoBody)
	if err != nil {
		l.t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	var rows []any
	if err := json.NewDecoder(resp.Body).Decode(&rows); err != nil {
		l.t.Fatal(err)
	}
	return rows
}

// watchHeap looks at the heap every two milliseconds; the function it gives ends that and
// says how much more there was at the worst than at the beginning.
func watchHeap() (grown func() uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	base := read()
	most := base
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				most = max(most, read())
			}
		}
	})
	return func() uint64 {
		close(end)
		done.Wait()
		return most - base
	}
}
