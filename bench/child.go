// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// jobVariable holds, for a child process, its Job in JSON; the parent's own has none.
const jobVariable = "ENMESH_BENCH_JOB"

// Job is what a child process is started for.
type Job struct {
	Stack   string  `json:"stack"`
	Side    string  `json:"side"` // "client", "server"
	Env     Env     `json:"env"`
	Server  Address `json:"server"`  // for a client
	Profile string  `json:"profile"` // directory for profiles; "" takes none
	Round   int     `json:"round"`
	Heap    int     `json:"heap"` // MiB that the process holds beside what it needs
}

// Address is how a server's process is reached.
type Address struct {
	Calls string `json:"calls"` // where it answers
	Usage string `json:"usage"` // where it tells its processor time, for each byte sent there
}

// report is a line that a child writes: an answer, or why there is none.
type report struct {
	Address *Address `json:"address,omitempty"`
	Sample  *Sample  `json:"sample,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// runAsChild does the job that the environment names, if it names one, and then
// reports true. The process ends when its standard input does.
func runAsChild() bool {
	text := os.Getenv(jobVariable)
	if text == "" {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := json.NewEncoder(os.Stdout)
	if err := child(ctx, text, out); err != nil {
		_ = out.Encode(report{Error: err.Error()}) //nolint:errchkjson // nobody else could be told
	}
	return true
}

func child(ctx context.Context, text string, out *json.Encoder) (err error) {
	var job Job
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	stack, err := stackNamed(job.Stack)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(2)
	held := make([]byte, job.Heap<<20) // never touched: it counts for the pace of the collector only
	defer runtime.KeepAlive(held)
	stop, err := startProfiles(job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if job.Side == "server" {
		return serve(ctx, stack, job, out)
	}
	return call(ctx, stack, job, out)
}

// serve answers until standard input ends.
func serve(ctx context.Context, stack *Stack, job Job, out *json.Encoder) error {
	server, err := stack.Serve(ctx, job.Env)
	if err != nil {
		return err
	}
	l, err := listen(ctx)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	go tellUsage(l)
	if err := out.Encode(report{Address: &Address{Calls: server.Addr(), Usage: l.Addr().String()}}); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that counts
	return errors.Join(server.Close(), l.Close())
}

// tellUsage writes the process's processor time for each byte that comes, on one
// connection.
func tellUsage(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	out := json.NewEncoder(conn)
	for b := make([]byte, 1); ; {
		if _, err := conn.Read(b); err != nil {
			return
		}
		d, err := usage()
		if err != nil {
			return
		}
		if err := out.Encode(d); err != nil { // whoever asked is gone
			return
		}
	}
}

// call makes calls as the lines of standard input order, until it ends.
func call(ctx context.Context, stack *Stack, job Job, out *json.Encoder) (err error) {
	client, err := stack.Dial(ctx, job.Env, job.Server.Calls)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", job.Server.Usage)
	if err != nil {
		return err
	}
	defer conn.Close()
	server := askUsage(conn)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var o Order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		sample, err := measure(ctx, client, server, o)
		if err != nil {
			return err
		}
		if err := out.Encode(report{Sample: &sample}); err != nil {
			return err
		}
	}
	return nil
}

// askUsage is a function that asks the server's process for its processor time.
func askUsage(conn net.Conn) func() (time.Duration, error) {
	in := json.NewDecoder(conn)
	return func() (d time.Duration, err error) {
		if _, err = conn.Write([]byte{0}); err != nil {
			return 0, err
		}
		err = in.Decode(&d)
		return d, err
	}
}

// profileRate is how many bytes of allocation lie between two that a profile notes.
const profileRate = 32 << 10

// startProfiles begins the process's profiles; stop writes them. Taking them costs
// time as well: the figures of a run with profiles are not to be used.
func startProfiles(job Job) (stop func() error, err error) {
	if job.Profile == "" {
		return nothing, nil
	}
	runtime.MemProfileRate = profileRate
	base := filepath.Join(job.Profile, fmt.Sprintf("%s.%s.%d", job.Stack, job.Side, job.Round))
	cpu, err := os.Create(base + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := os.Create(base + ".allocs")
		if err != nil {
			return err
		}
		return errors.Join(cpu.Close(), pprof.Lookup("allocs").WriteTo(heap, 0), heap.Close())
	}, nil
}
