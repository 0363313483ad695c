// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package longpoll_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/enmesh-go/enmesh/internal/longpoll"
)

func TestTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", r.Header.Get("X-Consul-Token"))
		_, _ = w.Write([]byte("0123456789"))
	}))
	defer server.Close()
	base := &http.Transport{}
	get := func(ctx context.Context, tr *longpoll.Transport) (*http.Response, string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Consul-Token", "own")
		client := &http.Client{Transport: tr}
		defer client.CloseIdleConnections()
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if r.Header.Get("X-Consul-Token") != "own" {
			t.Error("the caller's request was edited")
		}
		return resp, string(text), err
	}
	var tapped longpoll.Tapped
	resp, text, err := get(longpoll.Tap(t.Context(), &tapped), &longpoll.Transport{Base: base, Most: 10})
	if err != nil || text != "0123456789" || tapped.Body.String() != text || tapped.Header.Get("X-Token") != "own" || resp.Header.Get("X-Token") != "own" {
		t.Errorf("got %q, %v, tapped %q; want the answer twice", text, err, tapped.Body.String())
	}
	if _, text, err := get(t.Context(), &longpoll.Transport{Base: base, Most: 9}); !errors.Is(err, longpoll.ErrTooLarge) || len(text) > 9 {
		t.Errorf("a longer answer: got %q, %v, want ErrTooLarge", text, err)
	}
	file := filepath.Join(t.TempDir(), "token")
	for _, want := range []string{"own", "first", "second"} {
		if want != "own" {
			if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if resp, _, _ := get(t.Context(), &longpoll.Transport{Base: base, Most: 10, TokenFile: file}); resp.Header.Get("X-Token") != want {
			t.Errorf("got the token %q, want %q", resp.Header.Get("X-Token"), want)
		}
	}
}
