// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"bytes"
	"context"
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadv3 "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// ledger keeps what is reported.
type ledger struct {
	mu    sync.Mutex // guards the fields below
	node  string
	loads []xds.Load
}

func (l *ledger) Report(n *xds.Node, loads []xds.Load) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.node = n.ID
	l.loads = append(l.loads, loads...)
}

func TestLRS_reportsReachTheLedger(t *testing.T) {
	var book ledger
	_, addr := serve(t, xds.Config{Catalog: newScript(), Loads: &book, LoadInterval: time.Second})
	st, err := loadv3.NewLoadReportingServiceClient(dialed(t, addr)).StreamLoadStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = st.Send(&loadv3.LoadStatsRequest{Node: &corev3.Node{Id: "n"}})
	m, err := st.Recv()
	if err != nil || !m.GetSendAllClusters() || m.GetLoadReportingInterval().AsDuration() != time.Second {
		t.Fatalf("got %v, %v, want all clusters every second", m, err)
	}
	_ = st.Send(&loadv3.LoadStatsRequest{ClusterStats: []*endpointv3.ClusterStats{{
		ClusterName: "reviews", TotalDroppedRequests: 2, LoadReportInterval: durationpb.New(time.Second),
		DroppedRequests: []*endpointv3.ClusterStats_DroppedRequests{{Category: "lb", DroppedCount: 2}},
		UpstreamLocalityStats: []*endpointv3.UpstreamLocalityStats{{
			Locality: &corev3.Locality{Zone: "a"}, TotalIssuedRequests: 5, TotalSuccessfulRequests: 3, TotalErrorRequests: 1, TotalRequestsInProgress: 1,
			LoadMetricStats: []*endpointv3.EndpointLoadMetricStats{{MetricName: "cpu", NumRequestsFinishedWithMetric: 2, TotalMetricValue: 0.5}},
		}},
	}}})
	want := []xds.Load{
		{Cluster: "reviews", Zone: "a", Interval: time.Second, Issued: 5, Succeeded: 3, Failed: 1, InProgress: 1,
			Metrics: map[string]xds.Metric{"cpu": {Count: 2, Sum: 0.5}}},
		{Cluster: "reviews", Interval: time.Second, Dropped: 2, Drops: map[string]uint64{"lb": 2}},
	}
	eventually(t, "reported", func() bool {
		book.mu.Lock()
		defer book.mu.Unlock()
		return book.node == "n" && reflect.DeepEqual(book.loads, want)
	})
}

func TestCSDS_tellsWhatEveryClientHas(t *testing.T) {
	cat := newScript()
	a := cluster("a")
	cat.set(a)
	s, addr := serve(t, xds.Config{Catalog: cat})
	for _, n := range []string{"one", "two"} {
		r := dial(t, addr, n)
		r.ask(xds.Cluster, "a")
		r.ack(r.wants(a), "a")
		eventually(t, "accepted", func() bool { return statusOf(s, n, xds.Cluster, "a").State == xds.Accepted })
	}
	client := statusv3.NewClientStatusDiscoveryServiceClient(dialed(t, addr))
	for _, c := range []struct {
		name     string
		matchers []*matcherv3.NodeMatcher
		want     int
	}{
		{"all", nil, 2},
		{"one", []*matcherv3.NodeMatcher{{NodeId: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "one"}}}}, 1},
		{"by prefix", []*matcherv3.NodeMatcher{{NodeId: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "t"}}}}, 1},
	} {
		m, err := client.FetchClientStatus(context.Background(), &statusv3.ClientStatusRequest{NodeMatchers: c.matchers})
		if err != nil || len(m.GetConfig()) != c.want {
			t.Errorf("%s: got %d clients, %v, want %d", c.name, len(m.GetConfig()), err, c.want)
			continue
		}
		g := m.GetConfig()[0].GetGenericXdsConfigs()
		if len(g) != 1 || g[0].GetName() != "a" || g[0].GetConfigStatus() != statusv3.ConfigStatus_SYNCED ||
			!bytes.Equal(g[0].GetXdsConfig().GetValue(), a.Body.GetValue()) {
			t.Errorf("%s: got %v", c.name, g)
		}
	}
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools keep, grpc's buffers above all, goes with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestScenarioX15_notGRPC(t *testing.T) {
	_, addr := serve(t, xds.Config{Catalog: newScript()})
	for _, c := range []struct {
		name, authority, refused string
		body                     int // announced
	}{
		{"no authority", "", "400", 1},
		{"8 MiB", "xds", "8", 8 << 20},
		{"4 GiB", "xds", "8", 1<<32 - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := heap()
			if got := rawHTTP2(t, addr, c.authority, c.body); got != c.refused {
				t.Errorf("got %q, want %q", got, c.refused)
			}
			if used := heap() - before; used > 32<<20 {
				t.Errorf("got %d bytes more, want less than 32 MiB", used)
			}
		})
	}
}

// rawHTTP2 sends one request and gives the gRPC status, or else the HTTP status.
func rawHTTP2(t *testing.T, addr, authority string, body int) string {
	t.Helper()
	fr := rawStream(t, addr, authority)
	_ = fr.WriteData(1, false, []byte{0, byte(body >> 24), byte(body >> 16), byte(body >> 8), byte(body), 0})
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err.Error()
		}
		h, ok := f.(*http2.MetaHeadersFrame)
		if !ok {
			continue
		}
		status := h.PseudoValue("status")
		for _, f := range h.RegularFields() {
			if f.Name == "grpc-status" && status == "200" || f.Name == "grpc-status" && status == "" {
				return f.Value
			}
		}
		if h.StreamEnded() {
			return status
		}
	}
}

// rawStream begins stream 1 of a connection of its own, for aggregated discovery.
func rawStream(t *testing.T, addr, authority string) *http2.Framer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Write([]byte(http2.ClientPreface))
	fr := http2.NewFramer(c, c)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = fr.WriteSettings()
	var block strings.Builder
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", discoveryv3.AggregatedDiscoveryService_StreamAggregatedResources_FullMethodName},
		{":authority", authority}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if f[1] != "" {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
	}
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte(block.String()), EndHeaders: true})
	return fr
}

// TestServer_measuresNobodysWay: gRPC would send a ping with each request, to find out how large
// a window pays, and both sides would wake for it.
func TestServer_measuresNobodysWay(t *testing.T) {
	cat := newScript()
	cat.set(listenerOf("a", "a"))
	_, addr := serve(t, xds.Config{Catalog: cat})
	fr := rawStream(t, addr, "xds")
	body, err := proto.Marshal(&discoveryv3.DiscoveryRequest{
		Node: &corev3.Node{Id: "n"}, TypeUrl: xds.Listener.TypeURL(), ResourceNames: []string{"a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = fr.WriteData(1, false, append([]byte{0, 0, 0, 0, byte(len(body))}, body...))
	for {
		switch f, err := fr.ReadFrame(); f := f.(type) {
		case nil:
			t.Fatal(err)
		case *http2.PingFrame:
			t.Fatal("the server has sent a ping")
		case *http2.DataFrame:
			if len(f.Data()) < 5 {
				t.Errorf("got %d bytes, want a response", len(f.Data()))
			}
			return
		}
	}
}

func TestLRS_refusesWhatWouldFillTheLedger(t *testing.T) {
	var book ledger
	_, addr := serve(t, xds.Config{Catalog: newScript(), Loads: &book})
	long := strings.Repeat("x", 2<<10)
	for _, c := range []struct {
		name string
		node *corev3.Node
		load string
	}{
		{"cluster of the report", &corev3.Node{Id: "n"}, long},
		{"cluster of the node", &corev3.Node{Id: "n", Cluster: long}, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st, err := loadv3.NewLoadReportingServiceClient(dialed(t, addr)).StreamLoadStats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_ = st.Send(&loadv3.LoadStatsRequest{Node: c.node, ClusterStats: []*endpointv3.ClusterStats{{
				ClusterName: c.load, TotalDroppedRequests: 1,
			}}})
			for err == nil {
				_, err = st.Recv()
			}
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("got %v, want %v", err, codes.InvalidArgument)
			}
		})
	}
	book.mu.Lock()
	defer book.mu.Unlock()
	if len(book.loads) > 0 {
		t.Errorf("kept %d loads", len(book.loads))
	}
}
