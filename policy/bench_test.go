// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// services is a file with two documents for each of n services.
func services(n int) []policy.File {
	var files []policy.File
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		text := vs(name, name, "[{match: [{uri: {prefix: /v2}}], route: [{destination: {host: "+name+", subset: v2}}], timeout: 1s}, "+
			"{route: [{destination: {host: "+name+", subset: v1}, weight: 90}, {destination: {host: "+name+", subset: v2}, weight: 10}]}]") +
			dr("name: "+name, name, "trafficPolicy: {outlierDetection: {}}, subsets: [{name: v1, labels: {v: '1'}}, {name: v2, labels: {v: '2'}}]")
		files = append(files, policy.File{Name: name + ".yaml", Data: []byte(text)})
	}
	return files
}

// A reload happens while traffic runs: what it costs counts.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{10, 1000} {
		files := services(n)
		b.Run(fmt.Sprint(n, " services"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.Parse(files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkService_Find(b *testing.B) {
	s, err := policy.Parse(services(1000))
	if err != nil {
		b.Fatal(err)
	}
	svc := s.Service("s500.default.svc.cluster.local")
	c := &enmesh.Call{Path: "/v1/x"}
	b.ReportAllocs()
	for b.Loop() {
		if svc.Find(c) == nil {
			b.Fatal("got no rule")
		}
	}
}

// Finding a rule is on the path of each call for those who route by a Snapshot.
func TestService_Find_allocations(t *testing.T) {
	s, err := policy.Parse(services(3))
	if err != nil {
		t.Fatal(err)
	}
	c := &enmesh.Call{Path: "/v1/x"}
	if got := testing.AllocsPerRun(100, func() { s.Service("s1.default.svc.cluster.local").Find(c) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}
