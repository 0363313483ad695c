// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
)

// TestSamples_security makes the calls of every security document, over HTTP and gRPC.
func TestSamples_security(t *testing.T) {
	w := newTown(t, folder(t))
	for _, g := range slices.Concat(authorizations, peers, users, endUsers) {
		t.Run(g.file+" to "+g.to.Namespace+" "+g.to.Service, func(t *testing.T) {
			t.Parallel()
			var heard atomic.Int64
			p := g.start(t, w, &heard)
			for i := range g.asks {
				g.asks[i].check(t, p)
			}
			if got := int(heard.Load()); got != g.audited {
				t.Errorf("the audit heard of %d calls, want %d", got, g.audited)
			}
		})
	}
}

// TestSamples_securityHasCases wants a case for every security document, with calls over
// both protocols.
func TestSamples_securityHasCases(t *testing.T) {
	dir := folder(t)
	kinds := regexp.MustCompile(`(?m)^kind: "?(AuthorizationPolicy|PeerAuthentication|RequestAuthentication)"?`)
	http, rpc := map[string]bool{}, map[string]bool{}
	calls := 0
	for _, g := range slices.Concat(authorizations, peers, users, endUsers) {
		for _, a := range g.asks {
			calls++
			for _, file := range []string{g.file, g.with} {
				if a.what[:4] == "rpc " {
					rpc[file] = true
				} else {
					http[file] = true
				}
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		if !kinds.Match(text) {
			continue
		}
		n++
		if !http[name] || !rpc[name] {
			t.Errorf("%s: called over HTTP %v, over gRPC %v", name, http[name], rpc[name])
		}
	}
	t.Logf("%d files with security documents, %d calls", n, calls)
}
