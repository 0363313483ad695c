// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
)

// TestAgent_saysWhatAClientRefuses: a NACK, with the client's reason, stands in the status, on the
// page, in the dump and in the metrics.
func TestAgent_saysWhatAClientRefuses(t *testing.T) {
	a := start(t, agent.Config{Resolver: ab(t), Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Policies: []string{write(t, toward("a"))}})
	cc, err := grpc.NewClient(a.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(cc).StreamAggregatedResources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := &discoveryv3.DiscoveryRequest{
		Node: &corev3.Node{Id: "odd", UserAgentName: "gRPC Java"}, TypeUrl: xds.Listener.TypeURL(), ResourceNames: []string{"reviews:80"},
	}
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	sent, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	const reason = "reviews:80: a filter that nobody knows"
	request.ResponseNonce, request.ErrorDetail = sent.GetNonce(), &statuspb.Status{Code: int32(codes.InvalidArgument), Message: reason}
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal is known", func() bool { c := a.Status().Clients; return len(c) == 1 && c[0].Rejected == 1 })
	_, text, _ := get(t, a, "/status")
	var s agent.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	c := s.Clients[0]
	if c.Language != "grpc-java" || c.Accepted != 0 || len(c.Resources) != 1 {
		t.Fatalf("got the client %+v, want one of grpc-java that has taken nothing", c)
	}
	if r := c.Resources[0]; r.State != "rejected" || r.Kind != "listener" || r.Name != "reviews:80" || r.Version != "" || r.Latest == "" || r.Error != reason {
		t.Errorf("got %+v, want the refused listener with its reason", r)
	}
	for path, want := range map[string][]string{
		"/config": {`"state": "rejected"`, `"error": "` + reason + `"`},
		"/":       {`<td class="bad">1</td>`, `listener reviews:80: rejected <span class="bad">` + reason},
		"/metrics": {
			`enmesh_agent_answers_total{kind="listener",result="rejected"} 1`, `enmesh_agent_rejected_resources{kind="listener"} 1`,
		},
	} {
		_, text, _ := get(t, a, path)
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %s in\n%s", path, part, text)
			}
		}
	}
}

// TestAgent_saysForHowLongItIsOutOfTouch: while Consul is down clients are served what was good, and the
// status, the page and the metrics say for how long that was not confirmed.
func TestAgent_saysForHowLongItIsOutOfTouch(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	register(t, n, "a")
	registry, err := consul.New(consul.Config{Address: n.Addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	a := start(t, agent.Config{Resolver: registry, Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"})
	cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
	reaches(t, cc, "a")
	service := func() agent.ServiceStatus {
		_, text, _ := get(t, a, "/status")
		var s agent.Status
		if err := json.Unmarshal([]byte(text), &s); err != nil || len(s.Services) != 1 {
			t.Fatalf("got %v:\n%s", err, text)
		}
		return s.Services[0]
	}
	if s := service(); s.State != "live" || s.Staleness != 0 || s.Error != "" {
		t.Errorf("while all is well: got %+v", s)
	}
	n.Kill()
	eventually(t, "it is out of touch", func() bool { return service().Staleness >= 1 })
	first := service()
	if first.State != "failing" || !first.Known || first.Endpoints != 1 || first.Error == "" || first.Errors == 0 {
		t.Errorf("while Consul is down: got %+v", first)
	}
	eventually(t, "that lasts", func() bool { return service().Staleness > first.Staleness+0.5 })
	_, text, _ := get(t, a, "/metrics")
	m := regexp.MustCompile(`enmesh_agent_staleness_seconds\{service="reviews"\} ([0-9.e+]+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no staleness in\n%s", text)
	}
	if seconds, err := strconv.ParseFloat(m[1], 64); err != nil || seconds < first.Staleness+0.5 {
		t.Errorf("the metric is %s, %v, want more than %v", m[1], err, first.Staleness)
	}
	if _, page, _ := get(t, a, "/"); !regexp.MustCompile(`<td>reviews</td><td>failing</td><td>1</td><td>0</td><td>[0-9a-z ]+ ago</td><td>[1-9][0-9ms]*</td><td class="bad">[^<]+</td>`).MatchString(page) {
		t.Errorf("the page does not say so:\n%s", page)
	}
	reaches(t, cc, "a")
}

// TestAgent_failsCallsToWhomConsulDoesNotKnow: a call to a name that Consul never heard of fails at once,
// with the guard as it is by default, and is answered when the service is registered.
func TestAgent_failsCallsToWhomConsulDoesNotKnow(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	p := newProcess(t, n.Addr)
	p.start()
	p.listening()
	cc := dial(t, p.bootstrap(), "reviews:9080")
	began := time.Now()
	_, err := call(t, cc)
	if took := time.Since(began); status.Code(err) != codes.Unavailable || took > 10*time.Second {
		t.Errorf("got %v after %v, want UNAVAILABLE at once", err, took)
	}
	register(t, n, "a")
	reaches(t, cc, "a")
}
