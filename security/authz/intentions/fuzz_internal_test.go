// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// FuzzAnswer reads whatever an agent may send. A caller of another trust domain is allowed
// by none of it; what was not understood allows nobody; and a Set says the same twice.
func FuzzAnswer(f *testing.F) {
	const td = "11111111-2222-3333-4444-555555555555.consul"
	f.Add([]byte(`{"web":[{"SourceName":"a","DestinationName":"web","Action":"allow","Precedence":9}]}`), "/a", "x", true)
	f.Fuzz(func(t *testing.T, body []byte, path, value string, allow bool) {
		list, err := decode(body, "web")
		if err != nil {
			return
		}
		s := compile(list, "web", td, allow)
		c := &enmesh.Call{Method: "GET", Path: path, Header: enmeshtest.Header{"X-A": {value, "b"}}, Source: &enmesh.Peer{}}
		for _, identity := range []string{"", "spiffe://other.consul/ns/default/dc/dc1/svc/a", "spiffe://" + td + "/ns/default/dc/dc1/svc/a/b"} {
			c.Source.Identity = identity
			if d := s.Decide(c); d.Allowed {
				t.Fatalf("%q was allowed: %+v", identity, d)
			}
		}
		c.Source.Identity = "spiffe://" + td + "/ns/default/dc/dc1/svc/a"
		d := s.Decide(c)
		if again := s.Decide(c); again != d {
			t.Fatalf("first %+v, then %+v", d, again)
		}
		if i := s.find(source{"default", "a"}); i != nil && i.broken && d.Allowed || i == nil && d.Allowed != allow {
			t.Fatalf("got %+v by %+v, default %t", d, i, allow)
		}
		if p, err := s.Policies(); err == nil && len(p) != 1 {
			t.Fatalf("got %d policies", len(p))
		}
	})
}
