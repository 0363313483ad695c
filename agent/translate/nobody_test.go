// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"testing"

	clusterpb "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerpb "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
)

// toldAll keeps what it is told.
type toldAll struct{ all []xds.Resource }

func (h *toldAll) Hear(r xds.Resource) { h.all = append(h.all, r) }

// A client that begins is told of its listener and the cluster behind; one that has something,
// a server, and who asks for all, are told nothing.
func TestNobody(t *testing.T) {
	c := translate.Nobody("gone fishing")
	<-c.Ready()
	const cluster = "enmesh: gone fishing: reviews:9080"
	for name, tt := range map[string]struct {
		node xds.Node
		kind xds.Kind
		name string
		want bool
	}{
		"a listener":       {xds.Node{}, xds.Listener, "reviews:9080", true},
		"its cluster":      {xds.Node{}, xds.Cluster, cluster, true},
		"routes":           {xds.Node{}, xds.Route, "reviews:9080", false},
		"endpoints":        {xds.Node{}, xds.Endpoints, cluster, false},
		"all listeners":    {xds.Node{}, xds.Listener, xds.All, false},
		"a server":         {xds.Node{}, xds.Listener, "grpc/server?xds.resource.listening_address=127.0.0.1:1", false},
		"it has something": {xds.Node{Resumed: true}, xds.Listener, "reviews:9080", false},
	} {
		var h toldAll
		c.Watch(&tt.node, tt.kind, tt.name, &h)
		c.Unwatch(&tt.node, tt.kind, tt.name, &h)
		if got := len(h.all) == 1 && h.all[0].Name == tt.name && h.all[0].Kind == tt.kind && h.all[0].Version != ""; got != tt.want {
			t.Errorf("%s: got %v, want it told: %t", name, h.all, tt.want)
		}
		if !tt.want {
			continue
		}
		if m, err := h.all[0].Body.UnmarshalNew(); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if l, ok := m.(*listenerpb.Listener); ok && l.GetApiListener() == nil {
			t.Errorf("%s: got %v, want a listener of clients", name, m)
		} else if c, ok := m.(*clusterpb.Cluster); ok && c.GetClusterType().GetTypedConfig().GetTypeUrl() != cluster {
			t.Errorf("%s: got %v, want a cluster of a type that says why", name, m)
		}
	}
}
