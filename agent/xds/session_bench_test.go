// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"fmt"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
)

// BenchmarkSession_oneChange is one changed service of those that a stream asked
// for: from the catalog's news to the bytes, and the client's answer.
func BenchmarkSession_oneChange(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("subscribed=%d", n), func(b *testing.B) {
			cat := newTables()
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprintf("outbound|9080||service-%d.default.svc.cluster.local", i)
				cat.set(Endpoints, names[i], "0")
			}
			s := cat.session(b, Config{Limits: Limits{ResponseBytes: 64 << 20}})
			msg := &discoveryv3.DiscoveryRequest{TypeUrl: Endpoints.TypeURL(), ResourceNames: names}
			wire, err := proto.Marshal(msg)
			if err != nil {
				b.Fatal(err)
			}
			var lists [kinds]listing
			answer := func(nonce string) {
				req := &request{last: &lists}
				if err := req.read(wire); err != nil {
					b.Fatal(err)
				}
				req.ResponseNonce = nonce
				if err := s.request(req); err != nil {
					b.Fatal(err)
				}
			}
			turn := func() {
				r, _, err := s.next(time.Now().Add(time.Second))
				if err != nil || r == nil {
					b.Fatal("nothing is sent", err)
				}
				_ = r.buffers()
				answer(r.nonce)
			}
			answer("")
			turn()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				cat.set(Endpoints, names[i%n], fmt.Sprint(i+1))
				turn()
			}
		})
	}
}
