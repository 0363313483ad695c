// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// churn is the load of a benchmark: clients of this process that read and answer.
type churn struct {
	cat  *script
	used int64 // bytes, when all are told

	mu   sync.Mutex // guards the fields below
	born map[string]time.Time
	lags []time.Duration
}

// tenEndpoints of a service; the change shows in the last one's port.
func tenEndpoints(name string, change int) xds.Resource {
	addrs := make([]string, 10)
	for i := range addrs {
		addrs[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(change >> 8), byte(i)}), uint16(1000+change%60000)).String()
	}
	return endpointsOf(name, addrs...)
}

// read takes what comes, accepts it and notes how long it took.
func (c *churn) read(st discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient, names []string, got func(int)) {
	for {
		m, err := st.Recv()
		if err != nil {
			return
		}
		now := time.Now()
		c.mu.Lock()
		for _, r := range m.GetResources() {
			if born, ok := c.born[string(r.GetValue())]; ok {
				c.lags = append(c.lags, now.Sub(born))
			}
		}
		c.mu.Unlock()
		got(len(m.GetResources()))
		if st.Send(&discoveryv3.DiscoveryRequest{
			TypeUrl: m.GetTypeUrl(), VersionInfo: m.GetVersionInfo(), ResponseNonce: m.GetNonce(), ResourceNames: names,
		}) != nil {
			return
		}
	}
}

// BenchmarkServer_churn pushes 50 changes a second among 1,000 services of 10
// endpoints to many streams for 5 s, each stream a connection of its own. The
// clients run in the same process: their time and memory is in the figures.
func BenchmarkServer_churn(b *testing.B) {
	for _, c := range []struct{ streams, each int }{{200, 20}, {20, 1000}, {200, 1000}} {
		b.Run(fmt.Sprintf("services=1000/streams=%d/subscribed=%d", c.streams, c.each), func(b *testing.B) {
			for b.Loop() {
				runChurn(b, 1000, c.streams, c.each, 50, 5*time.Second).report(b)
			}
		})
	}
}

func runChurn(b testing.TB, services, streams, each, rate int, lasting time.Duration) *churn {
	c := &churn{cat: newScript(), born: map[string]time.Time{}}
	names := make([]string, services)
	for i := range names {
		names[i] = fmt.Sprintf("outbound|9080||service-%d.default.svc.cluster.local", i)
		c.cat.set(tenEndpoints(names[i], 0))
	}
	_, addr := serve(b, xds.Config{Catalog: c.cat})
	before := heap()
	ctx, cancel := context.WithCancel(context.Background())
	var readers, synced sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	for i := range streams {
		cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = cc.Close() })
		st, err := discoveryv3.NewAggregatedDiscoveryServiceClient(cc).StreamAggregatedResources(ctx)
		if err != nil {
			b.Fatal(err)
		}
		mine := make([]string, 0, each)
		for j := range each {
			mine = append(mine, names[(i*each+j)%services])
		}
		left := each
		synced.Add(1)
		readers.Go(func() {
			c.read(st, mine, func(n int) {
				if left > 0 {
					if left -= n; left <= 0 {
						synced.Done()
					}
				}
			})
		})
		if err := st.Send(&discoveryv3.DiscoveryRequest{
			TypeUrl: xds.Endpoints.TypeURL(), ResourceNames: mine, Node: &corev3.Node{Id: fmt.Sprint("node-", i)},
		}); err != nil {
			b.Fatal(err)
		}
	}
	synced.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	start := time.Now()
	for change := 1; time.Since(start) < lasting; change++ {
		r := tenEndpoints(names[rand.IntN(services)], change)
		c.mu.Lock()
		c.born[string(r.Body.GetValue())] = time.Now()
		c.mu.Unlock()
		c.cat.set(r)
		<-tick.C
	}
	c.used = heap() - before
	return c
}

func (c *churn) report(b *testing.B) {
	b.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(c.lags, cmp.Compare[time.Duration])
	if len(c.lags) == 0 {
		b.Fatal("nothing was received")
	}
	at := func(q float64) float64 {
		return float64(c.lags[int(q*float64(len(c.lags)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(float64(len(c.lags)), "pushes")
	b.ReportMetric(float64(c.used)/(1<<20), "MiB")
}
