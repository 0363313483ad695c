// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// roleVariable says what a process of this test does, by the words of play; "" for the test
// itself.
const roleVariable = "ENMESH_SCENARIO_ROLE"

// play does what a role says until the input ends: "serve NAME" is a fortress, and "attack
// FLOOD ADDRESS NAME" its attacker.
func play(role string) {
	what, role, _ := strings.Cut(role, " ")
	if what == "serve" {
		serveApart(role)
		return
	}
	flood, role, _ := strings.Cut(role, " ")
	addr, name, _ := strings.Cut(role, " ")
	attackApart(floods[flood], &fortress{name: name, addr: addr, rpc: strings.HasPrefix(name, "gRPC")})
}

func serveApart(name string) {
	g := &fortress{name: name, rpc: strings.HasPrefix(name, "gRPC")}
	var secure *tls.Config
	if strings.HasSuffix(name, "over TLS") {
		secure, _ = certificates()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	serve, stop := g.web(secure)
	if g.rpc {
		serve, stop = g.calls(secure)
	}
	go func() { _ = serve(listener) }()
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
}

// floods are the attacks on a server apart.
var floods = map[string]flood{
	"rapid-reset":    {50_000, []func(*rawClient) error{(*rawClient).openAndReset}},
	"made-you-reset": {20_000, slices.Collect(maps.Values(resets))},
}

// flood is a number of frames a second, in one way after the other.
type flood struct {
	perSecond int
	ways      []func(*rawClient) error
}

// toll is what became of an attacker's connections.
type toll struct {
	conns, calm, open int // all, those told ENHANCE_YOUR_CALM, and those the server did not end
	slowest           time.Duration
}

func attackApart(f flood, g *fortress) {
	if strings.HasSuffix(g.name, "over TLS") {
		_, g.secure = certificates()
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	fmt.Println("ready")
	var all toll
	for ctx.Err() == nil {
		c, err := newRawClient(ctx, g)
		if err != nil {
			continue
		}
		one := f.ways[all.conns%len(f.ways)]
		took, ended := c.flood(f.perSecond, endAtAll, func() error { return one(c) })
		c.close()
		all.conns, all.slowest = all.conns+1, max(all.slowest, took)
		if !ended {
			all.open++
		}
		if c.code.Load() == int64(http2.ErrCodeEnhanceYourCalm) {
			all.calm++
		}
	}
	fmt.Println(all.conns, all.calm, all.open, int64(all.slowest))
}

// process is one of this test's own, in a role.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

// apart starts a process, and says its first line.
func apart(t *testing.T, role string) (p *process, said string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	if nice, err := exec.LookPath("nice"); err == nil && strings.HasPrefix(role, "attack") {
		cmd = exec.Command(nice, "-n", "19", os.Args[0]) // a real one has processors of its own
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
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
	p = &process{cmd, in, bufio.NewReader(out)}
	t.Cleanup(func() { p.end(t) })
	said = p.line(t)
	return p, said
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	said, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said)
}

// end ends the process by the end of its input. It says its last line, and how long it had a
// processor.
func (p *process) end(t *testing.T) (said string, spent time.Duration) {
	t.Helper()
	if p.cmd.ProcessState == nil {
		_ = p.in.Close()
		rest, _ := io.ReadAll(p.out)
		said = strings.TrimSpace(string(rest))
		if err := p.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	return said, p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// openAndReset is what rapid reset does again and again.
func (c *rawClient) openAndReset() error {
	id, err := c.open(true)
	if err != nil {
		return err
	}
	return c.WriteRSTStream(id, http2.ErrCodeCancel)
}
