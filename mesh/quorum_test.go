// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
)

// service is server i as an agent is told of it.
func (f *farm) service(t *testing.T, i int) consultest.Service {
	t.Helper()
	return consultest.Service{ID: fmt.Sprint("shop-", i), Name: "shop", Address: "127.0.0.1", Port: f.port(t, i)}
}

// smallest follows the sets of shop, and gives the least number of endpoints in any of
// them since the first.
func smallest(t *testing.T, m *mesh.Mesh) func() int64 {
	t.Helper()
	var least atomic.Int64
	least.Store(1 << 40)
	cancel := m.Cluster(enmesh.Destination{Service: "shop"}, enmesh.HTTP).Subscribe(func(s *balance.Set) {
		for n := int64(len(s.Endpoints)); ; {
			was := least.Load()
			if n >= was || least.CompareAndSwap(was, n) {
				return
			}
		}
	})
	t.Cleanup(cancel)
	return least.Load
}

// TestScenarioD3_registryFrozen: Consul stands still for a minute under load, with its
// connections open. No call fails, the watch is known not to answer, and a change is used
// within 2 s of its going on.
func TestScenarioD3_registryFrozen(t *testing.T) {
	ledger.Baseline(t)
	node, f := consultest.Dev(t, consultest.Config{}), newFarm(t, 3)
	node.Register(f.service(t, 0))
	node.Register(f.service(t, 1))
	const wait = 5 * time.Second
	m, client := visitor(t, consul.Config{Address: node.Addr, Wait: wait})
	until(t, "both endpoints are known", func() bool { return reaches(m) == 2 })
	end := f.visit(t, client)
	pause(t.Context(), time.Second)
	node.Stop()
	frozen := time.Now()
	state := func() discovery.WatchState { return m.Status().Services[0].Discovery.State }
	consultest.Await(t, wait+wait/16+5*time.Second, func() error {
		if s := state(); s != discovery.Failing {
			return fmt.Errorf("the watch is %v", s)
		}
		return nil
	})
	t.Logf("known not to answer after %v", time.Since(frozen))
	pause(t.Context(), ledger.Short(time.Minute)-time.Since(frozen))
	if n := reaches(m); n != 2 {
		t.Errorf("%d endpoints while Consul stands still, want 2", n)
	}
	node.Cont()
	node.Ready()
	node.Register(f.service(t, 2))
	back := time.Now()
	until(t, "the new endpoint is known", func() bool { return reaches(m) == 3 })
	seen := time.Since(back)
	t.Logf("a new endpoint was known %v after the registry went on", seen)
	if seen > 2*time.Second {
		t.Errorf("a new endpoint was known after %v, want 2 s", seen)
	}
	pause(t.Context(), time.Second)
	end()
}

// catalogue writes server i into the catalogue itself, as soon as there is a leader to
// take it: what an agent is told while there is none it passes on when it likes.
func (f *farm) catalogue(t *testing.T, n *consultest.Node, i int) {
	t.Helper()
	s := f.service(t, i)
	consultest.Await(t, 30*time.Second, func() error {
		got := n.Do(http.MethodPut, "/v1/catalog/register", map[string]any{
			"Node": "elsewhere", "Address": "127.0.0.1",
			"Service": map[string]any{"ID": s.ID, "Service": s.Name, "Address": s.Address, "Port": s.Port},
		})
		if got.Status != http.StatusOK {
			return fmt.Errorf("writing to the catalogue: status %d, %s", got.Status, got.Body)
		}
		return nil
	})
}

// TestScenarioD11_leaderKilledUnderLoad: three servers lose their leader. No call fails, no
// set without the endpoints is ever used, and a change is seen within 15 s of the kill.
func TestScenarioD11_leaderKilledUnderLoad(t *testing.T) {
	ledger.Baseline(t)
	cluster, f := consultest.NewCluster(t), newFarm(t, 3)
	f.catalogue(t, cluster.Client, 0)
	f.catalogue(t, cluster.Client, 1)
	m, client := visitor(t, consul.Config{Address: cluster.Client.Addr})
	until(t, "both endpoints are known", func() bool { return reaches(m) == 2 })
	least := smallest(t, m)
	end := f.visit(t, client)
	pause(t.Context(), time.Second)
	cluster.Leader().Kill()
	killed := time.Now()
	f.catalogue(t, cluster.Client, 2)
	written := time.Since(killed)
	consultest.Await(t, 30*time.Second, func() error {
		if n := reaches(m); n != 3 {
			return fmt.Errorf("%d endpoints are known", n)
		}
		return nil
	})
	gap := time.Since(killed)
	t.Logf("a change was written %v, and known %v, after the leader was killed", written, gap)
	if gap > 15*time.Second {
		t.Errorf("a change was known after %v, want 15 s", gap)
	}
	pause(t.Context(), time.Second)
	end()
	if n := least(); n < 2 {
		t.Errorf("a set with %d endpoints was used, want at least 2 at any time", n)
	}
}

// TestScenarioD12_quorumLost: two of three servers are killed for two minutes under load. No
// call fails; a process that starts meanwhile finds the service all the same; a
// registration that is made meanwhile counts as soon as there is a leader to take it.
func TestScenarioD12_quorumLost(t *testing.T) {
	ledger.Baseline(t)
	cluster, f := consultest.NewCluster(t), newFarm(t, 3)
	f.catalogue(t, cluster.Client, 0)
	f.catalogue(t, cluster.Client, 1)
	m, client := visitor(t, consul.Config{Address: cluster.Client.Addr})
	until(t, "both endpoints are known", func() bool { return reaches(m) == 2 })
	least := smallest(t, m)
	end := f.visit(t, client)
	pause(t.Context(), time.Second)
	killed := []*consultest.Node{cluster.Leader(), cluster.Followers()[0]}
	for _, n := range killed {
		n.Kill()
	}
	since := time.Now()
	late, _ := visitor(t, consul.Config{Address: cluster.Client.Addr})
	consultest.Await(t, 30*time.Second, func() error {
		if n := reaches(late); n != 2 {
			return fmt.Errorf("a process that has just started knows %d endpoints: %w", n, late.Status().Services[0].Err)
		}
		return nil
	})
	t.Logf("a process that started without a quorum knew both endpoints %v after it was lost", time.Since(since))
	withdraw := f.announce(t, cluster.Client.Addr, 2)
	pause(t.Context(), ledger.Short(2*time.Minute)-time.Since(since))
	if n := reaches(m); n != 2 {
		t.Errorf("%d endpoints without a quorum, want 2", n)
	}
	for _, n := range killed {
		n.Restart()
	}
	back := time.Now()
	consultest.Await(t, 90*time.Second, func() error {
		if n := reaches(m); n != 3 {
			return fmt.Errorf("%d endpoints are known", n)
		}
		return nil
	})
	t.Logf("what was registered without a quorum was known %v after there was one again", time.Since(back))
	end()
	if n := least(); n < 2 {
		t.Errorf("a set with %d endpoints was used, want at least 2 at any time", n)
	}
	if err := withdraw(); err != nil {
		t.Error(err)
	}
}

// announce registers server i as a process does, until the result is called.
func (f *farm) announce(t *testing.T, agent string, i int) (withdraw func() error) {
	t.Helper()
	registry, err := consul.New(consul.Config{Address: agent})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	var failed error
	ended.Go(func() {
		failed = registry.Register(ctx, discovery.Instance{
			Service: "shop", ID: fmt.Sprint("shop-", i),
			Endpoint: discovery.Endpoint{Addrs: []string{f.servers[i].Listener.Addr().String()}},
		})
	})
	end := sync.OnceValue(func() error {
		cancel()
		ended.Wait()
		return errors.Join(failed, registry.Close())
	})
	t.Cleanup(func() { _ = end() }) // the second time it is known already
	return end
}

// TestScenarioD13_olderSnapshotRestored: an old snapshot is restored under load, and with it an
// index below that of the watch. No call fails, and what changes after it is known within
// 5 s.
func TestScenarioD13_olderSnapshotRestored(t *testing.T) {
	ledger.Baseline(t)
	node, f := consultest.Dev(t, consultest.Config{Keep: true}), newFarm(t, 3)
	f.catalogue(t, node, 0)
	f.catalogue(t, node, 1)
	old := node.Snapshot()
	for i := range 50 {
		node.KVPut(fmt.Sprint("key-", i), "the index rises")
	}
	var backwards atomic.Int64
	m, client := visitor(t, consul.Config{Address: node.Addr, OnEvent: func(e consul.Event) {
		if e.Kind == consul.BadIndex {
			backwards.Add(1)
		}
	}})
	until(t, "both endpoints are known", func() bool { return reaches(m) == 2 })
	f.catalogue(t, node, 2)
	until(t, "the third is known", func() bool { return reaches(m) == 3 })
	least := smallest(t, m)
	end := f.visit(t, client)
	pause(t.Context(), time.Second)
	node.Restore(old)
	node.Ready()
	restored := time.Now()
	until(t, "the third is forgotten, as the registry has it", func() bool { return reaches(m) == 2 })
	forgotten := time.Since(restored)
	f.catalogue(t, node, 2)
	written := time.Now()
	until(t, "the third is known again", func() bool { return reaches(m) == 3 })
	t.Logf("the old state was known after %v, a change after that in %v; %d indexes went backwards", forgotten, time.Since(written), backwards.Load())
	if forgotten > 5*time.Second || time.Since(written) > 5*time.Second {
		t.Errorf("known after %v and %v, want 5 s", forgotten, time.Since(written))
	}
	pause(t.Context(), time.Second)
	end()
	if n := least(); n < 2 {
		t.Errorf("a set with %d endpoints was used, want at least 2 at any time", n)
	}
}

// TestScenarioD14_tokenRevokedUnderLoad: the token is taken away under load, then there is none,
// and Consul shows nothing to the anonymous. No call fails; the reason is told apart from a
// service without instances; a new token in the file counts at once.
func TestScenarioD14_tokenRevokedUnderLoad(t *testing.T) {
	ledger.Baseline(t)
	node, f := consultest.ACL(t), newFarm(t, 3)
	node.Register(f.service(t, 0))
	node.Register(f.service(t, 1))
	const rules = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`
	secret := node.NewToken(rules)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret)
	m, client := visitor(t, consul.Config{Address: node.Addr, TokenFile: file, Wait: 2 * time.Second})
	until(t, "both endpoints are known", func() bool { return reaches(m) == 2 })
	end := f.visit(t, client)
	node.RevokeToken(secret)
	failing := func(reason string) {
		t.Helper()
		consultest.Await(t, 30*time.Second, func() error {
			var e *consul.Error
			if err := m.Status().Services[0].Discovery.Err; !errors.As(err, &e) || e.Reason != reason {
				return fmt.Errorf("the last error is %w, want the reason %s", err, reason)
			}
			return nil
		})
		if text := scrape(t, m); !strings.Contains(text, `event="failure",reason="`+reason+`"`) {
			t.Errorf("the metrics do not count failures for the reason %s", reason)
		}
	}
	failing(consul.Denied)
	pause(t.Context(), 2*time.Second)
	if d := m.Status().Services[0].Discovery; d.Suppressed != 0 || reaches(m) != 2 {
		t.Errorf("%d empty sets suppressed, %d endpoints; want none and 2", d.Suppressed, reaches(m))
	}
	write(node.NewToken(rules))
	node.Register(f.service(t, 2))
	changed := time.Now()
	until(t, "a change is known under the new token", func() bool { return reaches(m) == 3 })
	t.Logf("a change was known %v after there was a new token", time.Since(changed))
	end()
	if strings.Contains(scrape(t, m), secret) {
		t.Error("the token stands in the metrics")
	}
}
