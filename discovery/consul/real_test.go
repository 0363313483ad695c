// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
)

// web is an instance to register by hand.
func web(i int) consultest.Service {
	return consultest.Service{ID: fmt.Sprintf("web-%d", i), Name: "web", Address: fmt.Sprintf("10.0.0.%d", i), Port: 80}
}

// await polls until the last set of a watch has the addresses, and gives how long that
// took.
func (c *collector) await(t *testing.T, addrs string) time.Duration {
	t.Helper()
	began := time.Now()
	consultest.Await(t, 30*time.Second, func() error {
		if got, _ := c.last(); got != addrs {
			return fmt.Errorf("the watch has %q, want %q", got, addrs)
		}
		return nil
	})
	return time.Since(began)
}

// lull lets d of real time pass, in which the registry is not what it should be.
func lull(d time.Duration) {
	timer := time.NewTimer(ledger.Short(d))
	<-timer.C
}

// instances are the addresses of reviews that pass, as the agent's catalogue has them.
func instances(n *consultest.Node) int { return len(n.Instances("reviews")) }

// TestScenarioD2_seesChangesWhenTheRegistryIsBack: the registry is killed for a minute, with all
// that it knew. Nothing is taken away; the registration is made again, and what is new is
// seen within 2 s of the registry's being ready.
func TestScenarioD2_seesChangesWhenTheRegistryIsBack(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.Dev(t, consultest.Config{})
	node.Register(web(1))
	r := open(t, consul.Config{Address: node.Addr})
	defer r.Close()
	c := collect(r, "web")
	defer c.stop()
	end := announce(r, reviews())
	c.await(t, "10.0.0.1:80")
	consultest.Await(t, 10*time.Second, func() error {
		if instances(node) != 1 {
			return errors.New("not registered")
		}
		return nil
	})
	node.Kill()
	lull(time.Minute)
	c.want(t, "10.0.0.1:80", 1)
	if n := len(c.reasons()); n < 1 || n > 7 {
		t.Errorf("%d errors in %v, want some, and one in 10 s at most", n, ledger.Short(time.Minute))
	}
	node.Restart()
	node.Register(web(1))
	node.Register(web(2))
	seen := c.await(t, "10.0.0.1:80 10.0.0.2:80")
	began := time.Now()
	consultest.Await(t, 10*time.Second, func() error {
		if instances(node) != 1 {
			return errors.New("not registered again")
		}
		return nil
	})
	t.Logf("a new endpoint was seen %v after the registry was back, the registration was there %v later", seen, time.Since(began))
	if seen > 2*time.Second {
		t.Errorf("a new endpoint was seen after %v, want 2 s", seen)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if instances(node) != 0 {
		t.Error("still registered after the end")
	}
}

// TestScenarioD3_frozenRegistry: the registry stands still, its connections open. What is
// known stays, and a change is seen within 2 s of its going on.
func TestScenarioD3_frozenRegistry(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.Dev(t, consultest.Config{})
	node.Register(web(1))
	r := open(t, consul.Config{Address: node.Addr, Wait: 5 * time.Second})
	defer r.Close()
	c := collect(r, "web")
	defer c.stop()
	c.await(t, "10.0.0.1:80")
	node.Stop()
	frozen := time.Now()
	const wait = 5 * time.Second
	late := wait + wait/16 + 5*time.Second
	consultest.Await(t, late, func() error {
		if len(c.reasons()) == 0 {
			return errors.New("nobody has noticed")
		}
		return nil
	})
	t.Logf("noticed after %v, where %v is allowed", time.Since(frozen), late)
	lull(time.Minute - time.Since(frozen))
	c.want(t, "10.0.0.1:80", 1)
	node.Cont()
	node.Ready()
	node.Register(web(2))
	if seen := c.await(t, "10.0.0.1:80 10.0.0.2:80"); seen > 2*time.Second {
		t.Errorf("a change was seen %v after the registry went on, want 2 s", seen)
	}
}

// TestScenarioD11_leaderKilled: a cluster loses its leader. Through a cache, as a mesh has
// one, no endpoint is lost, although a server that lags may answer that there is none; and
// what is written once there is a leader again is seen within 15 s of the kill.
func TestScenarioD11_leaderKilled(t *testing.T) {
	ledger.Baseline(t)
	cluster := consultest.NewCluster(t)
	enter(t, cluster.Client, 1)
	r := open(t, consul.Config{Address: cluster.Client.Addr})
	defer r.Close()
	cache, err := discovery.NewCache(r, discovery.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close() }() // it has no files
	c := collect(cache, "web")
	defer c.stop()
	c.await(t, "10.0.0.1:80")
	_, before := c.last()
	cluster.Leader().Kill()
	killed := time.Now()
	enter(t, cluster.Client, 2)
	written := time.Since(killed)
	c.await(t, "10.0.0.1:80 10.0.0.2:80")
	gap := time.Since(killed)
	t.Logf("written %v and seen %v after the leader was killed; errors told meanwhile: %q", written, gap, c.reasons())
	if gap > 15*time.Second {
		t.Errorf("a change was seen after %v, want 15 s", gap)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, set := range c.sets[before:] {
		if got := addresses(set); !strings.Contains(got, "10.0.0.1:80") {
			t.Errorf("set %d after the kill is %q; what was there all the time is missing", i, got)
		}
	}
}

// enter writes web(i) into the catalogue itself, as soon as there is a leader to take it.
// What an agent was given while there is none it passes on when it likes.
func enter(t *testing.T, n *consultest.Node, i int) {
	t.Helper()
	s := web(i)
	consultest.Await(t, 30*time.Second, func() error {
		got := n.Do(http.MethodPut, "/v1/catalog/register", map[string]any{
			"Node": "elsewhere", "Address": "10.0.0.9",
			"Service": map[string]any{"ID": s.ID, "Service": s.Name, "Address": s.Address, "Port": s.Port},
		})
		if got.Status != http.StatusOK {
			return fmt.Errorf("writing to the catalogue: status %d, %s", got.Status, got.Body)
		}
		return nil
	})
}

// TestScenarioD14_tokenRevoked: a token that is taken away is an error of its own kind and
// takes nothing else away; the next one in the file counts at once. Without any, a
// registry that would show nothing is refused.
func TestScenarioD14_tokenRevoked(t *testing.T) {
	ledger.Baseline(t)
	node := consultest.ACL(t)
	if _, err := consul.New(consul.Config{Address: node.Addr}); !errors.Is(err, consul.ErrNoToken) {
		t.Errorf("without a token: %v, want %v", err, consul.ErrNoToken)
	}
	const rules = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`
	node.Register(web(1))
	secret := node.NewToken(rules)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret)
	r := open(t, consul.Config{Address: node.Addr, TokenFile: file, Wait: 2 * time.Second})
	defer r.Close()
	c := collect(r, "web")
	defer c.stop()
	c.await(t, "10.0.0.1:80")
	node.RevokeToken(secret)
	consultest.Await(t, 30*time.Second, func() error {
		if got := c.reasons(); !slices.Contains(got, consul.Denied) {
			return fmt.Errorf("the watch has told %q, want %q", strings.Join(got, ", "), consul.Denied)
		}
		return nil
	})
	c.want(t, "10.0.0.1:80", 1)
	write(node.NewToken(rules))
	node.Register(web(2))
	took := c.await(t, "10.0.0.1:80 10.0.0.2:80")
	t.Logf("a change was seen %v after a new token", took)
}
