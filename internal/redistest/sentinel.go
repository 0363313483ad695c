// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Sentinels are three Sentinels over a master with two replicas.
type Sentinels struct {
	Name     string // of the master
	Addrs    []string
	Master   *Server // at the start
	Replicas []*Server

	t testing.TB
}

// NewSentinels starts a master, two replicas and three Sentinels that take the master for
// down after half a second, and returns when each of them knows all others.
func NewSentinels(t testing.TB) *Sentinels {
	t.Helper()
	g := &Sentinels{Name: "enmesh", Master: Start(t), t: t}
	for range 2 {
		r := Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(g.Master.Port), "--repl-diskless-sync-delay", "0")
		g.Replicas = append(g.Replicas, r)
	}
	g.Master.Await("to have two replicas", func() error {
		info := fmt.Sprint(g.Master.Do("INFO", "replication"))
		if strings.Count(info, "state=online") == 2 {
			return nil
		}
		return fmt.Errorf("replication: %s", info)
	})
	for range 3 {
		g.Addrs = append(g.Addrs, g.startSentinel())
	}
	for _, addr := range g.Addrs {
		Await(t, "Sentinel "+addr, func() error { return g.complete(addr) })
	}
	return g
}

func (g *Sentinels) startSentinel() string {
	g.t.Helper()
	port, dir := Ports(g.t), g.t.TempDir()
	config := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor %s 127.0.0.1 %d 2\n"+
		"sentinel down-after-milliseconds %[3]s 500\nsentinel failover-timeout %[3]s 2000\n",
		port, dir, g.Name, g.Master.Port)
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		g.t.Fatalf("redistest: %v", err)
	}
	Run(g.t, "sentinel "+Loopback(port), dir, Binary(g.t), nil, file, "--sentinel")
	return Loopback(port)
}

// complete is an error while the Sentinel misses a replica or another Sentinel.
func (g *Sentinels) complete(addr string) error {
	row, err := Command(addr, "SENTINEL", "MASTER", g.Name)
	if err != nil {
		return err
	}
	fields, _ := row.([]any)
	facts := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		facts[fmt.Sprint(fields[i])] = fmt.Sprint(fields[i+1])
	}
	if facts["num-slaves"] == "2" && facts["num-other-sentinels"] == "2" {
		return nil
	}
	return fmt.Errorf("%s replicas, %s other Sentinels", facts["num-slaves"], facts["num-other-sentinels"])
}
