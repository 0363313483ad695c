// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// sampleSnapshot is a file's content.
func sampleSnapshot(tb testing.TB) []byte {
	data, err := snapshot{
		service: "reviews", saved: time.Unix(1_700_000_000, 0),
		set: []Endpoint{{
			Addrs: []string{"10.0.0.1:80", "[fd00::1]:80"}, Ports: []Port{{Name: "http", Number: 80, Target: 8080}},
			Locality: Locality{Zone: "b"}, Labels: map[string]string{"version": "v1"}, Draining: true,
		}, {Addrs: []string{"10.0.0.2:80"}, Weight: 5}},
	}.encode()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestSnapshot_everyFlippedBitIsFound, in a file of some hundred bytes.
func TestSnapshot_everyFlippedBitIsFound(t *testing.T) {
	good := sampleSnapshot(t)
	if s, err := decodeSnapshot(good); err != nil || s.service != "reviews" || len(s.set) != 2 || !s.saved.Equal(time.Unix(1_700_000_000, 0)) {
		t.Fatalf("the good one: %+v, %v", s, err)
	}
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if s, err := decodeSnapshot(bad); err == nil {
				t.Fatalf("bit %d of byte %d flipped: %+v", bit, i, s)
			}
		}
	}
}

func TestSnapshotFile_namesAreHarmlessAndDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, service := range []string{
		"reviews", "Reviews", "../../etc/passwd", "/", "", ".", "..", "a/b", "a_b", "con", "héllo", "a\x00b",
		strings.Repeat("long", 100), strings.Repeat("long", 101), "_grpc._tcp.reviews.service.consul", "host:80",
	} {
		name := snapshotFile(service)
		if other, twice := seen[name]; twice {
			t.Errorf("%q and %q have one file, %s", service, other, name)
		}
		seen[name] = service
		if strings.ContainsAny(name, "/\\:\x00 ") || strings.HasPrefix(name, ".") || len(name) > 100 || strings.ToLower(name) != name {
			t.Errorf("%q has the file %q", service, name)
		}
	}
}

func FuzzSnapshot(f *testing.F) {
	good := sampleSnapshot(f)
	f.Add(good)
	for _, cut := range []int{0, 1, len(snapshotForm), len(good) / 2, len(good) - 1} {
		f.Add(good[:cut])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeSnapshot(data)
		if err != nil {
			return
		}
		again, err := s.encode()
		if err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", s, err)
		}
		back, err := decodeSnapshot(again)
		if err != nil || back.service != s.service || !back.saved.Equal(s.saved) || !EqualSets(back.set, s.set) {
			t.Errorf("read %+v, then %+v, %v", s, back, err)
		}
	})
}

// FuzzSnapshot_body goes past the checksum.
func FuzzSnapshot_body(f *testing.F) {
	_, body, _ := bytes.Cut(sampleSnapshot(f), []byte("\n"))
	f.Add(body)
	f.Add([]byte(`{"service":"a","saved":"2026-01-01T00:00:00Z","endpoints":[{"addrs":[]}]}`))
	f.Add([]byte(`{"endpoints":[{"addrs":["x"],"ports":[{"number":70000}]}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeSnapshot(seal(body))
		if err != nil {
			return
		}
		for _, e := range s.set {
			if len(e.Addrs) == 0 {
				t.Errorf("an endpoint without address: %+v", s)
			}
		}
	})
}
