// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/agent/xds"
)

// TestScenarioX15_memoryOfTheProcess sends the program what no client should: each stream is
// refused, who behaves is served on, and the most that the process ever had in memory is less than
// 32 MiB above what it had before. (reliability 3.2, X15)
func TestScenarioX15_memoryOfTheProcess(t *testing.T) {
	dir := folder(t)
	addr := backend(t)
	socket := filepath.Join(dir, "xds.sock")
	agent := spawn(t, build(t, dir), "agent", "-log", "json", "-admin", "127.0.0.1:0", "-endpoints", services(t, dir, addr),
		"-policies", write(t, filepath.Join(dir, "p.yaml"), plaintext), "-socket", socket)
	agent.wait(t, "enmesh: the agent answers")
	boot := filepath.Join(dir, "web.json")
	if err := (bootstrap.Config{Server: socket, NodeID: "web-1"}).WriteFile(boot); err != nil {
		t.Fatal(err)
	}
	well := newDialer(t, boot, "xds:///reviews")
	if got := well.call(t); got != "ok "+addr+" insecure" {
		t.Fatalf("got %q, want an answer of %s", got, addr)
	}
	cc, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()

	long, many := strings.Repeat("x", 1<<20), make([]string, 100_000)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	meta := &structpb.Struct{Fields: map[string]*structpb.Value{"x": structpb.NewStringValue(long)}}
	before := memory(t, agent.cmd.Process.Pid, "VmRSS")
	for name, c := range map[string]struct {
		request *discoveryv3.DiscoveryRequest
		want    codes.Code
	}{
		"a node id of 1 MiB": {&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: long}}, codes.InvalidArgument},
		"1 MiB of metadata":  {&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: "n", Metadata: meta}}, codes.InvalidArgument},
		"100,000 names":      {&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: "n"}, ResourceNames: many}, codes.ResourceExhausted},
		"a request of 8 MiB": {&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: "n"}, ResourceNames: []string{strings.Repeat(long, 8)}}, codes.ResourceExhausted},
		"a name of 1 MiB":    {&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: "n"}, ResourceNames: []string{long}}, codes.InvalidArgument},
	} {
		c.request.TypeUrl = xds.Cluster.TypeURL()
		for range 5 {
			if got := refused(t, cc, c.request); got != c.want {
				t.Errorf("%s: got %v, want %v", name, got, c.want)
			}
		}
	}
	peak := memory(t, agent.cmd.Process.Pid, "VmHWM")
	t.Logf("%d KiB in memory before, %d at most", before, peak)
	if more := peak - before; more >= 32<<10 {
		t.Errorf("the process had %d KiB more in memory, want less than 32 MiB", more)
	}
	if got := well.call(t); got != "ok "+addr+" insecure" {
		t.Errorf("afterwards: got %q, want an answer of %s", got, addr)
	}
}

// refused is how a stream ends that begins with a request.
func refused(t *testing.T, cc *grpc.ClientConn, r *discoveryv3.DiscoveryRequest) codes.Code {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(cc).StreamAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(r) // it may be refused before its end
	_, err = stream.Recv()
	return status.Code(err)
}

// memory is a line of /proc/PID/status, in KiB.
func memory(t *testing.T, pid int, line string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), line+":")
	number, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	kib, err := strconv.Atoi(number)
	if !ok || err != nil {
		t.Fatalf("no %s in\n%s", line, text)
	}
	return kib
}
