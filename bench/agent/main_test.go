// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also what the processes of a row begin with.
func TestMain(m *testing.M) {
	if os.Getenv(jobVariable) != "" {
		if err := role(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestCommand_writesATable(t *testing.T) {
	var out bytes.Buffer
	if err := command(t.Context(), []string{"-quick", "-rows", "of all$"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[4], "| 1,000 services, 200 streams of all |") {
		t.Errorf("got %q, want a table of one row", lines)
	}
}

func TestRun_findsWhatChanged(t *testing.T) {
	r := row{Services: 4, Streams: 3, Each: 2, Rate: 20, Lasting: time.Second}
	found, err := run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if found.Changes < 5 || found.Pushes == 0 || found.P50 <= 0 || found.P99 < found.P50 || found.Max < found.P99 || found.Heap == 0 || found.CPU == 0 || found.Making == 0 {
		t.Errorf("got %+v", found)
	}
}

func TestStamp_isFound(t *testing.T) {
	for _, want := range []time.Time{time.Unix(0, 1), time.Unix(1_800_000_000, 123_456_789)} {
		text := "\x0a\x05" + stamp(want).String() + "\x18\x50"
		if got, ok := stamped([]byte(text)); !ok || !got.Equal(want) {
			t.Errorf("%q: got %v, %t, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "10.0.0.1", stamp(time.Time{}).String(), "fd00:x"} {
		if _, ok := stamped([]byte(text)); ok {
			t.Errorf("%q has a moment", text)
		}
	}
}
