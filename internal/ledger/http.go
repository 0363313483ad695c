// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// IDKey and ServerKey are the header fields, or metadata keys, that carry the id of a call
// to the server and the server's name back.
const (
	IDKey     = "enmesh-ledger-id"
	ServerKey = "enmesh-ledger-server"
)

func (l *Ledger) id(n int) string { return l.cfg.Prefix + strconv.Itoa(n) }

// HTTP is the Call of an HTTP client: it sends no body, reads the answer to its end, and
// takes a status of 400 and above for an error.
func HTTP(client *http.Client, method, url string) Call {
	return func(ctx context.Context, id string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
		if err != nil {
			return "", err
		}
		req.Header.Set(IDKey, id)
		resp, err := client.Do(req) //nolint:gosec // the scenario names its own server
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		server := resp.Header.Get(ServerKey)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return server, fmt.Errorf("body: %w", err)
		}
		if resp.StatusCode >= http.StatusBadRequest {
			return server, fmt.Errorf("status %d", resp.StatusCode)
		}
		return server, nil
	}
}

// Handler serves next under a server's name: it writes a receipt for each request that
// carries an id, and puts the name into the answer.
func (r *Receipts) Handler(server string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set(ServerKey, server)
		if id := req.Header.Get(IDKey); id != "" {
			end := r.Begin(id, server)
			defer end()
		}
		next.ServeHTTP(w, req)
	})
}
