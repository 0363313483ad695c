// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// mood is how a server behaves.
type mood int32

const (
	well   mood = iota
	silent      // as after SIGSTOP: it takes what it is sent, and says nothing
	late        // its answers come after 50 ms
	dead        // as after SIGKILL: its connections are closed, and new ones refused
	lost        // as behind a cut cable: new connections are not even refused
	rude        // it closes every connection as soon as it is asked something
)

// virtual is a Redis for a bubble of package synctest, in which sockets of the kernel would
// stall the clock. It keeps what a quota's script keeps, by the same arithmetic, and
// answers after a millisecond.
type virtual struct {
	mu    sync.Mutex // guards what follows
	mood  mood
	conns map[net.Conn]bool
	full  map[string]time.Time // by key, when its bucket is full again
}

func newVirtual() *virtual {
	return &virtual{conns: map[net.Conn]bool{}, full: map[string]time.Time{}}
}

// be changes how the server behaves.
func (v *virtual) be(m mood) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mood = m
	if m == dead {
		for conn := range v.conns {
			_ = conn.Close() // a pipe
		}
		clear(v.conns)
	}
}

func (v *virtual) is() mood {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.mood
}

// dial is a new connection.
func (v *virtual) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	switch v.is() {
	case dead:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case lost:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	near, far := net.Pipe()
	v.mu.Lock()
	v.conns[far] = true
	v.mu.Unlock()
	go v.serve(far)
	return near, nil
}

// serve answers one connection until it is closed.
func (v *virtual) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		args, err := command(r)
		if err != nil {
			return
		}
		switch v.is() {
		case silent, lost:
			continue
		case rude:
			return
		case late:
			<-time.After(50 * time.Millisecond)
		default:
			<-time.After(time.Millisecond)
		}
		if _, err := io.WriteString(conn, v.answer(args)); err != nil {
			return
		}
	}
}

// answer is what the script says, and else an error, as of a Redis that is too old for what
// it is asked.
func (v *virtual) answer(args []string) string {
	if len(args) != 8 || args[0] != "EVALSHA" && args[0] != "evalsha" {
		return "-ERR unknown command\r\n"
	}
	number := func(i int) float64 { n, _ := strconv.ParseFloat(args[i], 64); return n }
	key, interval, burst, wanted, owed := args[3], number(4), number(5), number(6), number(7)
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	used := max(0, float64(v.full[key].Sub(now).Microseconds()))
	used = min(used+owed*interval, burst*interval)
	given := max(0, min(wanted, math.Floor(burst-used/interval+1e-6)))
	used += given * interval
	v.full[key] = now.Add(time.Duration(used * float64(time.Microsecond)))
	left, wait := max(0, burst-used/interval), max(0, used-(burst-1)*interval)
	return fmt.Sprintf("*3\r\n:%.0f\r\n:%.0f\r\n:%.0f\r\n", given, math.Floor(left*1000), math.Ceil(wait))
}

// command reads what a client sends: an array of strings.
func command(r *bufio.Reader) ([]string, error) {
	size := func(kind byte) (int, error) {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if line[0] != kind {
			return 0, errors.New("not what a client sends")
		}
		return strconv.Atoi(line[1 : len(line)-2])
	}
	n, err := size('*')
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		length, err := size('$')
		if err != nil {
			return nil, err
		}
		text := make([]byte, length+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		args[i] = string(text[:length])
	}
	return args, nil
}

// bubble runs f in virtual time, on one processor: the timers of a bubble share what the race
// detector keeps of them, and of many that are due at once two may run at the same time, at which
// Go 1.26 was seen to crash (https://go.dev/issue/78156).
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, f)
}

// quotas are n instances, each with a client of its own, and close ends them and all that a
// client leaves running: within a second it sees that it was closed.
func (v *virtual) quotas(t *testing.T, n int, cfg redislimit.Config) (all []*redislimit.Quota, end func()) {
	t.Helper()
	var clients []redis.UniversalClient
	for range n {
		client := redislimit.ConnectBy(v.dial)
		q, err := redislimit.New(client, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		clients, all = append(clients, client), append(all, q)
	}
	return all, func() {
		for i := range all {
			if err := all[i].Close(); err != nil {
				t.Error(err)
			}
			_ = clients[i].Close() // its server may be gone
		}
		v.be(dead)
		<-time.After(5 * time.Second)
	}
}
