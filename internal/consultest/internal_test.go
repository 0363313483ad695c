// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0000000000000000 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1002 1 0000000000000000 100 0 0 10 0
`

const table6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1003 1 0000000000000000 100 0 0 10 0
`

func TestParseSockets(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"IPv4", table, "1001 127.0.0.1:20001 0A, 1002 0.0.0.0:8080 0A"},
		{"IPv6", table6, "1003 [::1]:80 0A"},
		{"none", "  sl  local_address\n", ""},
		{"short", "head\n 0: 0100007F:4E21 0A\n", `row of 3 fields: " 0: 0100007F:4E21 0A\n"`},
		{"no address", strings.Replace(table, "0100007F", "01000", 1), `address "01000:4E21"`},
		{"no port", strings.Replace(table, ":4E21", ":XYZ", 1), `port of "0100007F:XYZ": strconv.ParseUint: parsing "XYZ": invalid syntax`},
	} {
		sockets, err := parseSockets(c.text)
		var got []string
		for _, s := range sockets {
			got = append(got, fmt.Sprintf("%d %v %s", s.inode, s.local, s.state))
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: got %s, want %s", c.name, text, c.want)
		}
	}
}

// TestForeign_ignoresLoopback looks at this process itself.
func TestForeign_ignoresLoopback(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the tables are Linux's")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, err := foreign(os.Getpid())
	if err != nil || len(got) != 0 {
		t.Errorf("with a loopback listener: got %v, %v, want none", got, err)
	}
}

func TestReservePorts_apart(t *testing.T) {
	a, b := reservePorts(t), reservePorts(t)
	if a == b {
		t.Errorf("two blocks: got the same, %+v", a)
	}
	if blockFree(a.http-1, 1) {
		t.Errorf("the lock of a block at %d is free", a.http-1)
	}
	if !blockFree(a.http, 6) {
		t.Errorf("the block after %d is taken", a.http)
	}
}

func TestBinary_withoutOne(t *testing.T) {
	for _, c := range []struct {
		name, path, ci string
		skipped        bool
		says           string
	}{
		{"a user", "", "", true, "make test"},
		{"in CI", "", "true", false, "make test"},
		{"relative", "bin/consul", "", false, "absolute"},
		{"missing", "/nowhere/consul", "", false, "make bin/consul"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(Env, c.path)
			t.Setenv("CI", c.ci)
			f := &fakeTB{TB: t}
			done := make(chan struct{})
			go func() { defer close(done); Binary(f) }()
			<-done
			if f.skipped != c.skipped || f.failed == c.skipped || !strings.Contains(f.said, c.says) {
				t.Errorf("got skipped %v, failed %v, %q, want skipped %v and %q", f.skipped, f.failed, f.said, c.skipped, c.says)
			}
		})
	}
}

// fakeTB records how Binary ends a test.
type fakeTB struct {
	testing.TB
	skipped, failed bool
	said            string
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Skipf(format string, args ...any) {
	f.skipped, f.said = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failed, f.said = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}
