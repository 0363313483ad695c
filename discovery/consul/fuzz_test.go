// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"bytes"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

// FuzzAnswer reads a health query's body and headers. Whatever comes, what is made of
// it can be dialled, no address comes twice, and reading it again gives the same.
func FuzzAnswer(f *testing.F) {
	const good = `{"Node":{"Node":"n","Address":"10.0.0.9"},"Service":{"ID":"a","Address":"10.0.0.1","Port":80,` +
		`"Tags":["k=v","x"],"Meta":{"version":"v1","port-http":"80:8080/http","locality":"a/b/c"},` +
		`"TaggedAddresses":{"lan_ipv6":{"Address":"fd00::1","Port":80}},"Weights":{"Passing":3,"Warning":1}},` +
		`"Checks":[{"CheckID":"c","Status":"passing"}]}`
	for _, body := range []string{"", "null", "[]", "[" + good + "]", "[" + good + "," + good + "]", "[null," + good + "]",
		`[{"Service":{"Address":"::1%eth0","Port":-1}}]`, `[{"Service":{"Address":"","Port":70000}},` + good + "]", "<html>"} {
		f.Add([]byte(body), "12", "5", "true", "streaming", uint8(0))
	}
	f.Add([]byte("["+good+"]"), "-1", "99999999999999999999", "maybe", "", uint8(3))
	f.Add([]byte("["+good+"]"), "9223372036854775808", "x", "false", "blocking-query", uint8(1))
	f.Fuzz(func(t *testing.T, body []byte, index, contact, leader, backend string, flags uint8) {
		h := http.Header{}
		h.Set("X-Consul-Index", index)
		h.Set("X-Consul-LastContact", contact)
		h.Set("X-Consul-KnownLeader", leader)
		h.Set("X-Consul-Query-Backend", backend)
		if got := readHeader(h); got.index > math.MaxInt64 || got.contact < 0 {
			t.Errorf("header = %+v", got)
		}
		s := selection{passingOnly: flags&1 != 0, noPanic: flags&2 != 0, unhealthy: flags&8 != 0}
		if flags&4 != 0 {
			s.taggedAddress = "lan_ipv6"
		}
		one, err := s.read(bytes.NewReader(body))
		two, again := s.read(bytes.NewReader(body))
		if (err == nil) != (again == nil) || !slices.EqualFunc(one.eps, two.eps, discovery.Endpoint.Equal) {
			t.Fatalf("two readings differ: %v, %v; %v, %v", one.eps, err, two.eps, again)
		}
		if len(one.eps)+one.rejects.total() > one.listed {
			t.Errorf("%d endpoints and %d rejects of %d instances", len(one.eps), one.rejects.total(), one.listed)
		}
		seen := map[string]bool{}
		for _, ep := range one.eps {
			if seen[ep.Addrs[0]] {
				t.Errorf("%s comes twice", ep.Addrs[0])
			}
			seen[ep.Addrs[0]] = true
			checkDialable(t, ep)
			if ep.Unhealthy && !(ep.Draining && s.unhealthy) {
				t.Errorf("%s is unhealthy and may be called, or was not asked for: %+v", ep.Addrs[0], ep)
			}
		}
	})
}

func checkDialable(t *testing.T, ep discovery.Endpoint) {
	t.Helper()
	addrs, ok := ep.Address(0, "")
	if !ok {
		t.Errorf("%+v has no address", ep)
	}
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		n, numeric := strconv.Atoi(port)
		if err != nil || numeric != nil || n < 1 || n > 65535 || !validHost(host) {
			t.Errorf("%q cannot be dialled: %v", addr, err)
		}
	}
}

// FuzzCursor gives a cursor a sequence of indexes, eight bits each. The index that is
// sent next is never below 1 but after a fall, and after a fall the next answer with an
// index is where it stands.
func FuzzCursor(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{9, 3, 3, 0, 0, 200, 1})
	f.Fuzz(func(t *testing.T, indexes []byte) {
		var c cursor
		for i, b := range indexes {
			sent, got := c.index, uint64(b)
			m := c.advance(got)
			switch {
			case got == 0 && (m != useless || c.index != 1),
				got > 0 && got < sent && (m != backwards || c.index != 0),
				got > 0 && got >= sent && (m != forward || c.index != got):
				t.Fatalf("step %d: sent %d, got %d: %v, next %d", i, sent, got, m, c.index)
			}
			if sent == 0 && c.index == 0 {
				t.Fatalf("step %d: asks from the start twice", i)
			}
		}
	})
}
