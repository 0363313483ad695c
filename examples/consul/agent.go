// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// agent starts a Consul development agent on free ports of 127.0.0.1, and returns when it
// takes registrations. It keeps everything in memory.
func agent(ctx context.Context, program string, log io.Writer) (p *process, address string, err error) {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return nil, "", err
	}
	p, err = start("Consul", log, nil, program, "agent", "-dev", "-node", "example",
		"-bind", "127.0.0.1", "-client", "127.0.0.1", "-log-level", "warn", "-hcl", "disable_update_check = true",
		"-http-port", ports[0], "-server-port", ports[1], "-serf-lan-port", ports[2],
		"-serf-wan-port", "-1", "-dns-port", "-1", "-grpc-port", "-1", "-grpc-tls-port", "-1")
	if err != nil {
		return nil, "", err
	}
	address = net.JoinHostPort("127.0.0.1", ports[0])
	err = eventually(ctx, 30*time.Second, func() error {
		return errors.Join(p.alive(), leads(ctx, address))
	})
	if err != nil {
		return nil, "", errors.Join(err, p.stop())
	}
	return p, address, nil
}

// leads is nil when the Consul there can write, which it needs a leader for.
func leads(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1/status/leader", http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var leader string
	if err := json.NewDecoder(res.Body).Decode(&leader); err != nil {
		return err
	}
	if leader == "" {
		return errors.New("consul has no leader yet")
	}
	return nil
}

// freePorts are ports that nobody listens on at the moment.
func freePorts(ctx context.Context, n int) (ports []string, err error) {
	var all []net.Listener // open until all are found, so that they differ
	defer func() {
		for _, l := range all {
			err = errors.Join(err, l.Close())
		}
	}()
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		all = append(all, l)
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// eventually tries until there is no error, ctx ends, or the time is over.
func eventually(ctx context.Context, limit time.Duration, try func() error) error {
	over := time.After(limit)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-over:
			return fmt.Errorf("not in %v: %w", limit, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
