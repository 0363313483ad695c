// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// samplesVariable names a folder of Istio documents besides the project's own.
const samplesVariable = "ENMESH_ISTIO_SAMPLES"

// TestSamples_areNeverRejected holds that grpc-go takes all that is made of the documents
// in a folder, each file by itself, for workloads of every namespace and label in it.
func TestSamples_areNeverRejected(t *testing.T) {
	dir := os.Getenv(samplesVariable)
	if dir == "" {
		dir = "testdata/mapping"
		t.Logf("%s is not set: using the package's own documents only", samplesVariable)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	j := newJudge(t)
	judged, resources := 0, 0
	for _, file := range files {
		s, err := policy.Load(file)
		if err != nil {
			continue // refused, and package policy's tests say why
		}
		judged++
		resources += j.file(t, file, s)
	}
	t.Logf("%d of %d files were judged, %d resources", judged, len(files), resources)
	if judged < len(files)*9/10 || resources < 10*judged {
		t.Errorf("%d of %d files were judged, with %d resources: too few to tell", judged, len(files), resources)
	}
}

// file has all that is made of a file judged.
func (j *judge) file(t *testing.T, file string, s *policy.Snapshot) (resources int) {
	t.Helper()
	c, registry := open(t, translate.Config{Certificates: "default"}, "")
	c.SetPolicy(s)
	names := []string{"grpc/server?xds.resource.listening_address=0.0.0.0:8000", "xds.istio.io/grpc/lds/inbound/[::]:80"}
	for _, host := range hosts(s) {
		names = append(names, host+":80", host+":9080", host)
		short := strings.TrimSuffix(host, ".default.svc.cluster.local")
		short = strings.TrimSuffix(short, ".svc.cluster.local")
		registry.Set(short, discovery.Endpoint{Addrs: []string{"10.0.0.1:80"}, Labels: map[string]string{"version": "v1"}, Namespace: "default", ServiceAccount: "x"},
			discovery.Endpoint{Addrs: []string{"10.0.0.2:80"}, Labels: map[string]string{"version": "v2"}, Locality: discovery.Locality{Region: "us"}})
	}
	for _, namespace := range namespaces(s) {
		for _, app := range []string{"", "httpbin", "productpage", "reviews"} {
			n := &agentxds.Node{Client: "gRPC Go", Namespace: namespace, Region: "us-west", Zone: "zone1", Labels: map[string]string{"app": app}}
			for kind, made := range everything(t, c, n, names...) {
				resources += len(made)
				if nack := j.say(t, kind, made); nack != "" {
					t.Errorf("%s in %s: %v is rejected: %s", filepath.Base(file), namespace, kind, nack)
				}
			}
		}
	}
	return resources
}

// hosts are the services that policy speaks of.
func hosts(s *policy.Snapshot) []string {
	found := map[string]bool{}
	add := func(key string) { found[key] = key != "" && !strings.Contains(key, "*") }
	for _, svc := range s.Services {
		for _, key := range svc.Hosts {
			add(key)
		}
		for _, r := range svc.Rules {
			for _, to := range r.Split {
				add(to.Service)
			}
		}
	}
	for _, d := range s.Destinations {
		add(d.Host)
	}
	for _, e := range s.Entries {
		add(strings.Replace(e.Host, "*", "www", 1))
	}
	maps.DeleteFunc(found, func(_ string, good bool) bool { return !good })
	return slices.Sorted(maps.Keys(found))
}

func namespaces(s *policy.Snapshot) []string {
	found := map[string]bool{"default": true}
	for _, d := range s.Documents {
		found[d.Namespace] = true
	}
	return slices.Sorted(maps.Keys(found))
}
