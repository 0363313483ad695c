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
	"os"
	"os/exec"
)

// process is a child and the two ends of talking to it.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs this program once more for a job.
func start(ctx context.Context, job Job) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd, in, bufio.NewReader(out)}, nil
}

// answer reads the child's next line.
func (p *process) answer() (report, error) {
	var r report
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("bench: the child said nothing: %w", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// order has a client run one window.
func (p *process) order(o Order) (Sample, error) {
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		return Sample{}, err
	}
	r, err := p.answer()
	if err != nil {
		return Sample{}, err
	}
	if r.Sample == nil {
		return Sample{}, errors.New("bench: the client gave no sample")
	}
	return *r.Sample, nil
}

// end ends the child: by the end of its standard input.
func (p *process) end() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// pair is the two processes of a stack.
type pair struct{ server, client *process }

// startPair starts the server, then the client.
func startPair(ctx context.Context, job Job) (*pair, error) {
	job.Side = "server"
	server, err := start(ctx, job)
	if err != nil {
		return nil, err
	}
	r, err := server.answer()
	if err == nil && r.Address == nil {
		err = errors.New("bench: the server gave no address")
	}
	if err != nil {
		return nil, errors.Join(err, server.end())
	}
	job.Side, job.Server = "client", *r.Address
	client, err := start(ctx, job)
	if err != nil {
		return nil, errors.Join(err, server.end())
	}
	return &pair{server, client}, nil
}

func (p *pair) end() error { return errors.Join(p.client.end(), p.server.end()) }
