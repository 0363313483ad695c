// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Reply is an answer of the HTTP API.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// client makes a new connection for every request: none is left open, and none is stale
// after a restart.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// try sends one request with the node's token and reads the answer, within d. The body
// is sent as it is when it is a []byte or string, nothing when it is nil, and otherwise as
// JSON.
func (n *Node) try(method, path string, body any, d time.Duration) (*Reply, error) {
	return n.tryAs(n.Token, method, path, body, d)
}

func (n *Node) tryAs(token, method, path string, body any, d time.Duration) (*Reply, error) {
	content, err := encode(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, n.URL()+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	resp, err := client.Do(req) //nolint:gosec // the test names the path, and the host is the node
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &Reply{Status: resp.StatusCode, Header: resp.Header, Body: text}, nil
}

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	case string:
		return []byte(b), nil
	default:
		return json.Marshal(b)
	}
}

// get reads JSON; another status than 200 is an error.
func (n *Node) get(path string, into any) error {
	r, err := n.try(http.MethodGet, path, nil, 5*time.Second)
	if err != nil {
		return err
	}
	if r.Status != http.StatusOK {
		return fmt.Errorf("GET %s: got status %d %s", path, r.Status, bytes.TrimSpace(r.Body))
	}
	return json.Unmarshal(r.Body, into)
}

// Do sends one request with the node's token and returns the answer, whatever its
// status. The body is sent as it is when it is a []byte or a string, nothing when it is
// nil, and otherwise as JSON. It waits for 15 s.
func (n *Node) Do(method, path string, body any) *Reply {
	n.t.Helper()
	return n.DoAs(n.Token, method, path, body)
}

// DoAs is Do with another token, or with none.
func (n *Node) DoAs(token, method, path string, body any) *Reply {
	n.t.Helper()
	r, err := n.tryAs(token, method, path, body, 15*time.Second)
	if err != nil {
		n.t.Fatalf("consultest: %s: %v", n.Name, err)
	}
	return r
}

// OK is Do for what must succeed: another status than 200 fails the test. The answer is
// decoded where into is not nil.
func (n *Node) OK(method, path string, body, into any) {
	n.t.Helper()
	r := n.Do(method, path, body)
	if r.Status != http.StatusOK {
		n.t.Fatalf("consultest: %s: %s %s: got status %d %s", n.Name, method, path, r.Status, bytes.TrimSpace(r.Body))
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(r.Body, into); err != nil {
		n.t.Fatalf("consultest: %s: %s %s: %v in %s", n.Name, method, path, err, r.Body)
	}
}
