// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/enmesh-go/enmesh/discovery"
)

// serve starts a server on a free loopback port that answers with its version. It
// knows nothing of the mesh: policy is the client's.
func serve(version string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, version)
	}))
}

// endpoint is what a registry says of a server.
func endpoint(s *httptest.Server, version, zone string) discovery.Endpoint {
	return discovery.Endpoint{
		Addrs:    []string{s.Listener.Addr().String()},
		Labels:   map[string]string{"version": version},
		Locality: discovery.Locality{Region: "eu", Zone: zone},
	}
}

// ask makes a thousand calls, as a user if there is one, and counts who answered.
func ask(ctx context.Context, client *http.Client, out *log.Logger, user string) error {
	answers := map[string]int{}
	for range 1000 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://reviews/", http.NoBody)
		if err != nil {
			return err
		}
		if user != "" {
			req.Header.Set("end-user", user)
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		answers[string(text)]++
	}
	if user == "" {
		user = "anybody"
	}
	out.Printf("  %s: %v", user, answers)
	return nil
}
