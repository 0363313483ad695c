// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/peer"
	_ "google.golang.org/grpc/xds" // the resolver of xds:///
	"google.golang.org/protobuf/types/known/emptypb"
)

// dialVariable makes of the test's program an unmodified client of gRPC, see client.
const dialVariable = "ENMESH_TEST_DIAL"

func TestMain(m *testing.M) {
	if target := os.Getenv(dialVariable); target != "" {
		os.Exit(client(target))
	}
	goleak.VerifyTestMain(m)
}

// client calls the target once for each line of its input, and prints how the call ended. The call
// waits for a connection unless the line is "once".
func client(target string) int {
	creds, err := xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		return exitUsage
	}
	cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	if err != nil {
		return exitUsage
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		ctx, cancel := context.WithTimeout(context.Background(), hang)
		var p peer.Peer
		err := cc.Invoke(ctx, "/shop.Reviews/List", &emptypb.Empty{}, &emptypb.Empty{}, grpc.WaitForReady(in.Text() != "once"), grpc.Peer(&p))
		cancel()
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("ok", p.Addr, p.AuthInfo.AuthType())
	}
	return exitWell
}

// dialer is a client of gRPC in a process of its own.
type dialer struct {
	in  io.Writer
	out *bufio.Reader
}

func newDialer(t *testing.T, bootstrap, target string) *dialer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), dialVariable+"="+target, "GRPC_XDS_BOOTSTRAP="+bootstrap)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() }) // it ends with its input
	return &dialer{in, bufio.NewReader(out)}
}

// call is how one call ended. The client bounds it.
func (d *dialer) call(t *testing.T) string {
	t.Helper()
	return d.ask(t, "call")
}

// ask is how one call ended that was asked for by a word.
func (d *dialer) ask(t *testing.T, word string) string {
	t.Helper()
	if _, err := io.WriteString(d.in, word+"\n"); err != nil {
		t.Fatal(err)
	}
	line, err := d.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// until calls until so many calls in a row end as wanted.
func (d *dialer) until(t *testing.T, want string, row int) {
	t.Helper()
	got := 0
	for deadline := time.Now().Add(hang); got < row; {
		last := d.call(t)
		if last == want {
			got++
			continue
		}
		if got = 0; time.Now().After(deadline) {
			t.Fatalf("got %q, want %q", last, want)
		}
	}
}
