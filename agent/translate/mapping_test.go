// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
)

var update = flag.Bool("update", false, "write the files in testdata/mapping anew")

// TestMapping compares what is made of the policies in testdata/mapping with what stands
// beside them. Two instances of the service "reviews", of versions v1 and v2, are in
// localities of their own; the node is beside the first.
func TestMapping(t *testing.T) {
	files, err := filepath.Glob("testdata/mapping/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".json"
			got := mapped(t, string(text))
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
			}
		})
	}
}

// mapped is all that a node gets for the service reviews, and as a server, and the notes.
func mapped(t *testing.T, text string) []byte {
	t.Helper()
	c, registry := open(t, translate.Config{Certificates: "default"}, text)
	registry.Set("reviews",
		discovery.Endpoint{Addrs: []string{"10.0.0.1:9080"}, Labels: map[string]string{"version": "v1"}, Locality: discovery.Locality{Region: "eu", Zone: "a"}, Namespace: "default", ServiceAccount: "reviews"},
		discovery.Endpoint{Addrs: []string{"10.0.0.2:9080"}, Labels: map[string]string{"version": "v2"}, Locality: discovery.Locality{Region: "us", Zone: "b"}, Namespace: "default", ServiceAccount: "reviews", Weight: 3},
	)
	n := &agentxds.Node{Client: "gRPC Go", Region: "eu", Zone: "a", Labels: map[string]string{"app": "web"}}
	listeners := []string{"reviews:9080", "grpc/server?xds.resource.listening_address=0.0.0.0:9080"}
	out := struct {
		Listeners, Routes, Clusters, Endpoints []json.RawMessage
		Notes                                  []string
	}{}
	keep := holdAll(t, c, n, listeners)
	made := everything(t, c, n, listeners...)
	for _, note := range c.Notes() {
		out.Notes = append(out.Notes, note.String())
	}
	keep()
	for kind, to := range map[agentxds.Kind]*[]json.RawMessage{
		agentxds.Listener: &out.Listeners, agentxds.Route: &out.Routes, agentxds.Cluster: &out.Clusters, agentxds.Endpoints: &out.Endpoints,
	} {
		for _, a := range made[kind] {
			*to = append(*to, plain(t, a))
		}
		slices.SortFunc(*to, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	}
	data, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// holdAll watches everything, so that notes are there, until it is told to stop.
func holdAll(t *testing.T, c *translate.Catalog, n *agentxds.Node, listeners []string) (stop func()) {
	t.Helper()
	var stops []func()
	hold := func(k agentxds.Kind, name string) {
		stops = append(stops, watch(c, n, k, name, func(agentxds.Resource) {}))
	}
	for _, name := range listeners {
		a := resource(t, c, n, agentxds.Listener, name)
		hold(agentxds.Listener, name)
		if inbound(a) {
			continue
		}
		hold(agentxds.Route, name)
		for _, cluster := range clustersOf(t, resource(t, c, n, agentxds.Route, name)) {
			hold(agentxds.Cluster, cluster)
			hold(agentxds.Endpoints, cluster)
			resource(t, c, n, agentxds.Endpoints, cluster)
		}
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// plain is a resource as JSON, without the spaces that protojson adds at random.
func plain(t *testing.T, a *anypb.Any) json.RawMessage {
	t.Helper()
	data, err := protojson.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	data, err = json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
