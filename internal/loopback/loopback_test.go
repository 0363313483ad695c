// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package loopback_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/enmesh-go/enmesh/internal/loopback"
)

func TestComplete(t *testing.T) {
	for addr, want := range map[string]string{
		"": "", ":80": "127.0.0.1:80", "10.0.0.1:80": "10.0.0.1:80", "[::1]:80": "[::1]:80", "bad": "bad",
	} {
		if got := loopback.Complete(addr); got != want {
			t.Errorf("Complete(%q): got %q, want %q", addr, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "localhost:80": true, "127.9.9.9:0": true,
		"10.0.0.1:80": false, "0.0.0.0:80": false, "[::]:80": false, "example.com:80": false, "127.0.0.1": false, ":80": false,
	} {
		if err := loopback.Check(addr); (err == nil) != want {
			t.Errorf("Check(%q): got %v, want ok %v", addr, err, want)
		}
	}
}

func TestOnly_refusesOtherNames(t *testing.T) {
	h := loopback.Only("kit", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"127.0.0.1:15000": 200, "localhost": 200, "[::1]:80": 200,
		"evil.example": 403, "127.0.0.1.evil.example:15000": 403, "": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: got %d, want %d", host, w.Code, want)
		}
	}
}
