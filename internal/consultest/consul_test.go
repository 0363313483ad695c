// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/consultest"
)

func web(i int) consultest.Service {
	return consultest.Service{
		ID: fmt.Sprintf("web-%d", i), Name: "web", Address: "127.0.0.1", Port: 8000 + i,
		Tags: []string{"v1"}, Meta: map[string]string{"zone": "a"},
	}
}

// statuses are the states of a service's instances by their ids.
func statuses(n *consultest.Node, service string) map[string]string {
	found := make(map[string]string)
	for _, in := range n.Instances(service) {
		found[in.ID] = in.Status
	}
	return found
}

// awaitStatuses waits until the catalogue says what is wanted: agents write to it a
// little later.
func awaitStatuses(t *testing.T, n *consultest.Node, service, want string) {
	t.Helper()
	consultest.Await(t, 15*time.Second, func() error {
		if got := fmt.Sprint(statuses(n, service)); got != want {
			return fmt.Errorf("%s on %s: got %s, want %s", service, n.Name, got, want)
		}
		return nil
	})
}

func TestDev_servesTheCatalogue(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	n.Register(web(1))
	n.Register(web(2))
	awaitStatuses(t, n, "web", "map[web-1:passing web-2:passing]")
	if got := n.Instances("web")[0]; got.Port != 8001 || got.Meta["zone"] != "a" || !slices.Equal(got.Tags, []string{"v1"}) {
		t.Errorf("web-1: got %+v, want port 8001, zone a, tag v1", got)
	}
	n.SetStatus("web-1", "critical")
	n.SetStatus("web-2", "warning")
	awaitStatuses(t, n, "web", "map[web-1:critical web-2:warning]")
	n.SetStatus("web-1", "passing")
	n.Maintain("web-2", true)
	awaitStatuses(t, n, "web", "map[web-1:passing web-2:critical]")
	n.Maintain("web-2", false)
	n.MaintainNode(true)
	awaitStatuses(t, n, "web", "map[web-1:critical web-2:critical]")
	n.MaintainNode(false)
	n.Deregister("web-2")
	awaitStatuses(t, n, "web", "map[web-1:passing]")

	n.KVPut("a/b", "one")
	if got, ok := n.KVGet("a/b"); got != "one" || !ok {
		t.Errorf("KVGet: got %q, %v, want \"one\", true", got, ok)
	}
	if got, ok := n.KVGet("a/c"); ok {
		t.Errorf("KVGet of a key that is not there: got %q, want none", got)
	}
}

func TestDev_forgetsOrKeepsOverARestart(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep=%v", keep), func(t *testing.T) {
			n := consultest.Dev(t, consultest.Config{Keep: keep})
			n.KVPut("k", "v")
			before := n.Addr
			n.Restart()
			if _, ok := n.KVGet("k"); ok != keep {
				t.Errorf("the key after a restart: got %v, want %v", ok, keep)
			}
			if n.Addr != before || !n.Alive() {
				t.Errorf("after a restart: got %s, alive %v, want %s, alive", n.Addr, n.Alive(), before)
			}
		})
	}
}

func TestNode_stopsAndGoesOn(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	n.Stop()
	quick := http.Client{Timeout: 300 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := quick.Get(n.URL() + "/v1/status/leader"); err == nil {
		resp.Body.Close()
		t.Errorf("a frozen node answered %s", resp.Status)
	}
	if !n.Alive() {
		t.Error("a frozen node is taken for dead")
	}
	n.Cont()
	n.Ready()
	n.Terminate()
	if n.Alive() {
		t.Error("a terminated node is taken for alive")
	}
	n.Start()
	t.Logf("leader %v after the start", n.AwaitLeader())
	if n.Log() == "" {
		t.Error("the log is empty")
	}
}

func TestNode_restoresASnapshot(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	n.KVPut("k", "old")
	saved := n.Snapshot()
	for i := range 20 {
		n.KVPut("k", fmt.Sprint(i))
	}
	after := n.Do(http.MethodGet, "/v1/kv/k", nil).Header.Get("X-Consul-Index")
	n.Restore(saved)
	n.AwaitLeader()
	if got, _ := n.KVGet("k"); got != "old" {
		t.Errorf("the key after Restore: got %q, want \"old\"", got)
	}
	t.Logf("index %s before, %s after the restore", after, n.Do(http.MethodGet, "/v1/kv/k", nil).Header.Get("X-Consul-Index"))
}

func TestDev_federates(t *testing.T) {
	one := consultest.Dev(t, consultest.Config{})
	two := consultest.Dev(t, consultest.Config{Datacenter: "dc2", Join: one})
	two.Register(web(1))
	consultest.Await(t, 15*time.Second, func() error {
		var rows []any
		one.OK(http.MethodGet, "/v1/health/service/web?dc=dc2", nil, &rows)
		if len(rows) != 1 {
			return fmt.Errorf("web of dc2 seen from dc1: got %d instances, want 1", len(rows))
		}
		return nil
	})
}

func TestACL_denies(t *testing.T) {
	n := consultest.ACL(t)
	n.Register(web(1))
	awaitStatuses(t, n, "web", "map[web-1:passing]")
	reader := n.NewToken(`service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
	const health = "/v1/health/service/web"
	for _, c := range []struct {
		name, token, method, path string
		status                    int
		empty                     bool
	}{
		{name: "a reader reads", token: reader, method: http.MethodGet, path: health, status: 200},
		{name: "nobody reads", token: "", method: http.MethodGet, path: health, status: 200, empty: true},
		{name: "a reader writes", token: reader, method: http.MethodPut, path: "/v1/kv/k", status: 403},
		{name: "an unknown token", token: "8bb8f0a5-0c1a-4a77-8d3c-62b1ae0c0000", method: http.MethodGet, path: health, status: 403},
	} {
		r := n.DoAs(c.token, c.method, c.path, nil)
		if r.Status != c.status {
			t.Errorf("%s: got status %d %s, want %d", c.name, r.Status, r.Body, c.status)
		}
		if r.Status == 200 && (len(r.Body) < 8) != c.empty {
			t.Errorf("%s: got the body %q, want it empty: %v", c.name, r.Body, c.empty)
		}
	}
	n.RevokeToken(reader)
	consultest.Await(t, 15*time.Second, func() error {
		if r := n.DoAs(reader, http.MethodGet, health, nil); r.Status != 403 {
			return fmt.Errorf("with a revoked token: got status %d, want 403", r.Status)
		}
		return nil
	})
}

func TestCluster_losesItsLeaderAndItsQuorum(t *testing.T) {
	c := consultest.NewCluster(t)
	c.Client.Register(web(1))
	awaitStatuses(t, c.Client, "web", "map[web-1:passing]")

	first := c.Leader()
	first.Kill()
	killed := time.Now()
	second := c.Leader()
	if second == first {
		t.Fatalf("the leader after %s was killed: got the same", first.Name)
	}
	c.Client.AwaitLeader()
	t.Logf("%s leads after %s; the client read through it %v after the kill", second.Name, first.Name, time.Since(killed))
	c.Client.KVPut("k", "v")

	second.Kill()
	rest := c.Servers[0]
	for _, n := range c.Servers {
		if n.Alive() {
			rest = n
		}
	}
	if r := rest.Do(http.MethodGet, "/v1/health/service/web?stale", nil); r.Status != 200 || len(r.Body) < 100 {
		t.Errorf("stale read without a quorum: got status %d %s, want 200 and the instance", r.Status, r.Body)
	}
	first.Start()
	second.Start()
	for _, n := range c.Servers {
		n.Ready()
	}
	c.Client.Ready()
	if got := len(c.Followers()); got != 2 {
		t.Errorf("followers of a whole cluster: got %d, want 2", got)
	}
	if got, _ := c.Client.KVGet("k"); got != "v" {
		t.Errorf("the key after all came back: got %q, want \"v\"", got)
	}
}
