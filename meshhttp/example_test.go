// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// A client that tries again where that is safe.
func ExampleNewTransport() {
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "five stars")
	}))
	defer server.Close()

	on, _ := retry.ParseOn("gateway-error,connect-failure,refused-stream")
	again, err := retry.New(retry.Config{MaxAttempts: 3, On: on, BaseBackoff: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	services := map[string][]discovery.Endpoint{"reviews": {{Addrs: []string{server.Listener.Addr().String()}}}}
	source := balance.NewStaticSource(services, balance.LeastRequest(2))
	transport := meshhttp.NewTransport(nil, enmesh.Fixed(true, again), source)
	defer transport.Close()
	client := &http.Client{Transport: transport}

	resp, err := client.Get("http://reviews/1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(text), "after", calls.Load(), "attempts")
	// Output: 200 five stars after 2 attempts
}

// What a policy refuses is an *enmesh.Error, which errors.As finds in what
// http.Client returns.
func ExampleTransport_refusal() {
	refuse := func(enmesh.Next) enmesh.Next {
		return func(context.Context, *enmesh.Call) error {
			return &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Policy: "breaker", Err: errors.New("open")}
		}
	}
	client := &http.Client{Transport: meshhttp.NewTransport(nil, enmesh.Fixed(false, refuse), nil)}

	_, err := client.Get("http://reviews/1")
	var refusal *enmesh.Error
	fmt.Println(errors.As(err, &refusal), refusal)
	fmt.Println(enmesh.CodeOf(err))
	// Output:
	// true breaker: open
	// UNAVAILABLE
}

// A server that refuses what it has no room for.
func ExampleNewHandler() {
	full := func(enmesh.Next) enmesh.Next {
		return func(context.Context, *enmesh.Call) error {
			return &enmesh.Error{
				Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "limit",
				RetryAfter: 2 * time.Second, Err: errors.New("too many requests"),
			}
		}
	}
	reviews := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "five stars") })
	server := httptest.NewServer(meshhttp.NewHandler(reviews, enmesh.Fixed(false, full)))
	defer server.Close()

	resp, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	fmt.Printf("%d, Retry-After %s: %s", resp.StatusCode, resp.Header.Get("Retry-After"), text)
	// Output: 429, Retry-After 2: limit: too many requests
}

// A caller's deadline travels in a header.
// A program's own header for deadlines, and none at all, are options of both sides.
func ExampleDeadlineHeader() {
	left := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline, ok := r.Context().Deadline()
		fmt.Fprintln(w, ok, time.Until(deadline) > time.Second)
	})
	name := meshhttp.DeadlineHeader("X-Time-Left-Ms")
	server := httptest.NewServer(meshhttp.NewHandler(left, enmesh.Fixed(false), name))
	defer server.Close()
	client := &http.Client{Transport: meshhttp.NewTransport(nil, enmesh.Fixed(false), nil, name)}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	fmt.Print(string(text))
	// Output: true true
}

// At most one connection to an endpoint and one call that waits for it: what comes beyond
// that is refused, and with a second endpoint it could be sent again there.
func ExampleConnection() {
	release, arrived := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer server.Close()

	services := map[string][]discovery.Endpoint{"reviews": {{Addrs: []string{server.Listener.Addr().String()}}}}
	source := balance.NewStaticSource(services, nil)
	transport := meshhttp.NewTransport(nil, enmesh.Fixed(false), source,
		meshhttp.Connection(balance.ConnectionConfig{MaxConnections: 1, MaxPending: 1}))
	defer transport.Close()
	client := &http.Client{Transport: transport}

	results := make(chan error, 2)
	get := func() {
		resp, err := client.Get("http://reviews/1")
		if err == nil {
			_ = resp.Body.Close()
		}
		results <- err
	}
	go get()
	<-arrived
	go get()
	go get() // one of these waits, the other is refused
	err := <-results
	fmt.Println(errors.Is(err, balance.ErrOverflow), enmesh.ErrorOf(err).Flag)
	go func() { <-arrived }()
	close(release)
	fmt.Println(<-results, <-results)
	// Output:
	// true UO
	// <nil> <nil>
}
