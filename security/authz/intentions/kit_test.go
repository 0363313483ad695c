// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/authz/intentions"
)

const td = "11111111-2222-3333-4444-555555555555.consul"

// agent is one whose answers the test writes; it blocks as Consul does.
type agent struct {
	address string

	mu      sync.Mutex // guards what follows
	index   int
	body    string
	status  int
	header  map[string]string
	changed chan struct{}
}

// newAgent answers with the list of intentions for web, and a default.
func newAgent(t testing.TB, list, otherwise string) *agent {
	t.Helper()
	a := &agent{index: 7, changed: make(chan struct{}), header: map[string]string{"X-Consul-Default-Acl-Policy": otherwise}}
	a.body = `{"web":` + list + `}`
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.address = strings.TrimPrefix(server.URL, "http://")
	return a
}

// set changes what is answered.
func (a *agent) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	a.index++
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/roots") {
		_, _ = fmt.Fprintf(w, `{"TrustDomain":%q,"Roots":[]}`, td)
		return
	}
	a.mu.Lock()
	changed, blocks := a.changed, r.URL.Query().Get("index") == fmt.Sprint(a.index)
	a.mu.Unlock()
	if blocks {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("X-Consul-Index", fmt.Sprint(a.index))
	w.Header().Set("X-Consul-Lastcontact", "0")
	w.Header().Set("X-Consul-Knownleader", "true")
	for k, v := range a.header {
		if v != "" {
			w.Header().Set(k, v)
		}
	}
	if a.status != 0 {
		http.Error(w, "no", a.status)
		return
	}
	_, _ = w.Write([]byte(a.body))
}

// open watches an agent.
func open(t testing.TB, cfg intentions.Config, address, token string) *intentions.Authorizer {
	t.Helper()
	if cfg.Service == "" {
		cfg.Service = "web"
	}
	cfg.API = &api.Config{Address: address, Token: token}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a, err := intentions.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// of is an authorizer of a fixed list, with a default.
func of(t testing.TB, list, otherwise string) *intentions.Authorizer {
	t.Helper()
	return open(t, intentions.Config{}, newAgent(t, list, otherwise).address, "")
}

// id is a service's, in a datacenter that nobody knows.
func id(service string) string { return "spiffe://" + td + "/ns/default/dc/far/svc/" + service }

// call is a GET of / by a caller.
func call(identity string) *enmesh.Call {
	c := &enmesh.Call{
		Side: enmesh.Server, Method: "GET", Path: "/", Scheme: "https", Authority: "web",
		Header: enmeshtest.Header{}, Source: &enmesh.Peer{Identity: identity},
	}
	return c
}

// await polls check under a deadline.
func await(t testing.TB, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
		<-tick.C
	}
}
