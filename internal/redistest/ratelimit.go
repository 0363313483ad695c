// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redistest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// RateLimit runs the rate limit service that Envoy is used with, with a configuration and
// on a Redis of its own, until the test ends. It gives the address of its gRPC port. The
// program is named by ENMESH_RATELIMIT.
func RateLimit(t testing.TB, config string) (addr string) {
	t.Helper()
	program := Program(t, "ENMESH_RATELIMIT", "ratelimit")
	redis := Start(t)
	dir, port := t.TempDir(), Ports(t)
	file := filepath.Join(dir, "runtime", "ratelimit", "config", "limits.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, "ratelimit", dir, program, []string{
		"HOST=127.0.0.1", fmt.Sprint("PORT=", port), "GRPC_HOST=127.0.0.1", fmt.Sprint("GRPC_PORT=", port+1),
		"DEBUG_HOST=127.0.0.1", fmt.Sprint("DEBUG_PORT=", port+2), "USE_STATSD=false",
		"REDIS_SOCKET_TYPE=tcp", "REDIS_URL=" + redis.Addr,
		"RUNTIME_ROOT=" + filepath.Join(dir, "runtime"), "RUNTIME_SUBDIRECTORY=ratelimit", "RUNTIME_WATCH_ROOT=false",
		"LIMIT_RESPONSE_HEADERS_ENABLED=true",
	})
	Await(t, "the rate limit service", func() error { return healthy("http://" + Loopback(port) + "/healthcheck") })
	return Loopback(port + 1)
}

// healthy is nil when url answers 200.
func healthy(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req) //nolint:gosec // the address of a server that the test has started
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
