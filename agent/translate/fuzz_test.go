// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// FuzzCatalog holds that whatever policy loads, and whatever an instance's address and
// locality are, grpc-go takes what is made of it.
func FuzzCatalog(f *testing.F) {
	f.Add(reviewsPolicy, "reviews:9080", "10.0.0.1:80", "eu", uint32(1))
	f.Add(reviewsAuthorization, "reviews", "[::1]:80", "", uint32(0))
	f.Add(detected, "s.default:80", "host:80", "\xff", uint32(1<<32-1))
	j := newJudge(f)
	f.Fuzz(func(t *testing.T, text, dialled, addr, region string, weight uint32) {
		s, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(text)}})
		if err != nil {
			return
		}
		c, registry := open(t, translate.Config{Certificates: "default"}, "")
		c.SetPolicy(s)
		names := append(hosts(s), "grpc/server?xds.resource.listening_address=127.0.0.1:80")
		for _, host := range hosts(s) {
			registry.Set(host, discovery.Endpoint{Addrs: []string{addr, "10.0.0.2:1"}, Locality: discovery.Locality{Region: region}, Weight: weight},
				discovery.Endpoint{Addrs: []string{"10.0.0.2:1"}, Weight: weight})
		}
		n := &agentxds.Node{Client: "gRPC Go", Region: "eu"}
		for kind, made := range everything(t, c, n, names...) {
			if nack := j.say(t, kind, made); nack != "" {
				t.Fatalf("%v is rejected: %s", kind, nack)
			}
		}
		// A client may dial and ask for anything.
		for _, k := range []agentxds.Kind{agentxds.Listener, agentxds.Route, agentxds.Cluster, agentxds.Endpoints} {
			watch(c, n, k, dialled, func(agentxds.Resource) {})()
		}
	})
}
