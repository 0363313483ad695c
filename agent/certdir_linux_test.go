// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// A group to which the directory is handed on reads the key; nobody else does.
func TestIssue_handsTheKeyToTheDirectorysGroup(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	group := uint32(os.Getegid())
	if os.Geteuid() == 0 {
		group = 65_533
	}
	cfg := agent.Config{Resolver: discovery.NewMemory()}
	want := map[string]os.FileMode{}
	for name, tt := range map[string]struct{ dir, key os.FileMode }{
		"handed on": {os.ModeSetgid | 0o750, 0o640},
		"not":       {0o750, 0o600},
		"to all":    {os.ModeSetgid | 0o755, 0o600},
	} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, -1, int(group)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, tt.dir); err != nil {
			t.Fatal(err)
		}
		cfg.Issue = append(cfg.Issue, agent.Issue{
			Dir: dir, Identity: security.MustParseID("spiffe://cluster.local/ns/shop/sa/web"), From: agent.FromAuthority(authority),
		})
		want[dir] = tt.key
	}
	a, err := agent.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	for dir, mode := range want {
		var info os.FileInfo
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			if info, err = os.Stat(filepath.Join(dir, agent.KeyFile)); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		at, ok := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != mode || !ok || mode == 0o640 && at.Gid != group {
			t.Errorf("%s: got the key %v of group %d, want mode %v (of group %d, if it reads)", filepath.Base(dir), info.Mode(), at.Gid, mode, group)
		}
	}
}
