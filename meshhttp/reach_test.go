// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// deadAddr is an address on loopback that refuses connections.
func deadAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// pair is a Transport without retries over two addresses.
func pair(t *testing.T, addrs ...string) *http.Client {
	t.Helper()
	var eps []discovery.Endpoint
	for _, a := range addrs {
		eps = append(eps, discovery.Endpoint{Addrs: []string{a}})
	}
	src := balance.NewStaticSource(map[string][]discovery.Endpoint{"svc": eps}, balance.RoundRobin())
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), src)
	t.Cleanup(func() { _ = tr.Close() })
	return &http.Client{Transport: tr}
}

func TestTransport_leavesAnEndpointAloneThatCannotBeConnectedTo(t *testing.T) {
	live := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer live.Close()
	client := pair(t, live.Listener.Addr().String(), deadAddr(t))
	failed := 0
	for range 200 {
		res, err := client.Get("http://svc/")
		if err != nil {
			failed++
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	if failed == 0 || failed > 10 {
		t.Errorf("%d of 200 calls went to the dead one of two endpoints, want 1, or a few when they took many seconds", failed)
	}
}

func TestTransport_stillTriesWhenEveryEndpointRests(t *testing.T) {
	addr := deadAddr(t)
	client := pair(t, addr)
	for i, want := range []enmesh.Flag{enmesh.FlagConnectFailure, enmesh.FlagNoHealthy, enmesh.FlagNoHealthy} {
		_, err := client.Get("http://svc/")
		if e := enmesh.ErrorOf(err); e == nil || e.Flag != want || !e.Unsent || errors.Is(err, balance.ErrNoEndpoint) {
			t.Fatalf("call %d: got %v, want it unsent and %s", i, err, want)
		}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the port was taken meanwhile: %v", err)
	}
	live := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}}
	live.Start()
	defer live.Close()
	eventually(t, "the endpoint is called that is back", func() bool {
		res, err := client.Get("http://svc/")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return true
	})
}
