// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consultest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// KVPut writes a key.
func (n *Node) KVPut(key, value string) {
	n.t.Helper()
	n.OK(http.MethodPut, "/v1/kv/"+key, value, nil)
}

// KVGet reads a key, and says whether it exists.
func (n *Node) KVGet(key string) (value string, ok bool) {
	n.t.Helper()
	r := n.Do(http.MethodGet, "/v1/kv/"+key+"?raw", nil)
	switch r.Status {
	case http.StatusOK:
		return string(r.Body), true
	case http.StatusNotFound:
		return "", false
	}
	n.t.Fatalf("consultest: %s: read the key %s: got status %d %s", n.Name, key, r.Status, r.Body)
	return "", false
}

// Snapshot saves the whole state of the servers.
func (n *Node) Snapshot() []byte {
	n.t.Helper()
	r := n.Do(http.MethodGet, "/v1/snapshot", nil)
	if r.Status != http.StatusOK {
		n.t.Fatalf("consultest: %s: snapshot: got status %d %s", n.Name, r.Status, r.Body)
	}
	return r.Body
}

// Restore puts a saved state back, so that indexes go backwards. Services that an agent
// holds are written again by it, later.
func (n *Node) Restore(snapshot []byte) {
	n.t.Helper()
	n.OK(http.MethodPut, "/v1/snapshot", snapshot, nil)
}

// NewToken makes a token whose rights are the rules, such as
// `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`, and returns
// its secret. It waits until the token is known.
func (n *Node) NewToken(rules string) string {
	n.t.Helper()
	policy := uuid()
	n.OK(http.MethodPut, "/v1/acl/policy", map[string]string{"Name": policy, "Rules": rules}, nil)
	var made struct{ SecretID string }
	n.OK(http.MethodPut, "/v1/acl/token", map[string]any{"Policies": []map[string]string{{"Name": policy}}}, &made)
	n.await("to know a new token", func() error {
		_, err := n.tokenOf(made.SecretID)
		return err
	})
	return made.SecretID
}

// RevokeToken ends a token that NewToken made.
func (n *Node) RevokeToken(secret string) {
	n.t.Helper()
	accessor, err := n.tokenOf(secret)
	if err != nil {
		n.t.Fatalf("consultest: %s: %v", n.Name, err)
	}
	n.OK(http.MethodDelete, "/v1/acl/token/"+accessor, nil, nil)
}

// tokenOf is the name that a token has for the API.
func (n *Node) tokenOf(secret string) (accessor string, err error) {
	r, err := n.tryAs(secret, http.MethodGet, "/v1/acl/token/self", nil, 5*time.Second)
	if err != nil {
		return "", err
	}
	if r.Status != http.StatusOK {
		return "", fmt.Errorf("read the token: got status %d %s", r.Status, r.Body)
	}
	var token struct{ AccessorID string }
	if err := json.Unmarshal(r.Body, &token); err != nil {
		return "", err
	}
	return token.AccessorID, nil
}
