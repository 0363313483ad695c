// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The first five minutes of the guide, as they stand there but for the addresses: one call in
// ten goes to v2, and all do when the file says so.
func TestGuide_fiveMinutes(t *testing.T) {
	dir := folder(t)
	yaml, commands := pageBlocks(t, "yaml"), pageBlocks(t, "sh")[0].Commands()
	t.Chdir(dir)
	v1, v2 := backend(t), backend(t)
	write(t, "services.yaml", strings.NewReplacer("127.0.0.1:9081", v1, "127.0.0.1:9082", v2).Replace(yaml[0].Text))
	write(t, "reviews.yaml", yaml[1].Text)
	if len(commands) != 2 {
		t.Fatalf("got the commands %q, want those that start an agent and write a bootstrap file", commands)
	}
	a := start(t, strings.Fields(strings.Replace(commands[0], "127.0.0.1:15010", "127.0.0.1:0", 1))[2:]...)
	if code, out, messages := enmesh(t, strings.Fields(strings.Replace(commands[1], "127.0.0.1:15010", a.listen, 1))[1:]...); code != exitWell {
		t.Fatalf("got %d, %s%s", code, out, messages)
	}
	d := newDialer(t, filepath.Join(dir, "web.json"), "xds:///reviews")
	const calls = 300
	counts := map[string]int{}
	for range calls {
		counts[d.call(t)]++
	}
	at1, at2 := counts["ok "+v1+" insecure"], counts["ok "+v2+" insecure"]
	if at1+at2 != calls || at2 < calls/50 || at2 > calls/4 {
		t.Errorf("got %d and %d calls (%v), want %d in all and some 10%% of them at v2", at1, at2, counts, calls)
	}
	write(t, "reviews.yaml", strings.NewReplacer("weight: 90", "weight: 0", "weight: 10", "weight: 100").Replace(yaml[1].Text))
	d.until(t, "ok "+v2+" insecure", 20)
	if code, out, messages := enmesh(t, "agent", "status", "-admin", a.admin); code != exitWell || !strings.Contains(out, "web.default@") {
		t.Errorf("got the status %d\n%s%s", code, out, messages)
	}
	if code, out, messages := enmesh(t, "check", "-target", "grpc-go", "reviews.yaml"); code != exitWell || !strings.Contains(out, "grpc-go: 2 documents, no mistakes") {
		t.Errorf("got the check %d\n%s%s", code, out, messages)
	}
	if _, err := os.Stat("web.json"); err != nil {
		t.Error(err)
	}
}
