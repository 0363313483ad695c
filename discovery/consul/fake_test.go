// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/consul"
)

// fake is an agent in memory, for bubbles: it speaks the queries and the
// registrations that a Registry needs, and a test may answer in its place.
type fake struct {
	t      *testing.T
	server *http.Server
	dials  chan net.Conn
	closed chan struct{}

	mu       sync.Mutex // guards what follows
	index    uint64
	services map[string][]string // JSON of instances
	changed  chan struct{}
	asked    []ask
	agent    map[string]map[string]any // registrations by ID
	beats    int
	down     bool
	peer     string // remote address that clients see
	answer   func(w http.ResponseWriter, r *http.Request, n int) bool
}

// ask is a health query that came in.
type ask struct {
	at          time.Time
	index, path string
	query       string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		t: t, index: 10, services: map[string][]string{}, changed: make(chan struct{}), peer: "10.9.9.9:8500",
		dials: make(chan net.Conn), closed: make(chan struct{}), agent: map[string]map[string]any{},
	}
	f.server = &http.Server{Handler: f}
	go f.server.Serve(f)
	return f
}

// stop ends the server; a bubble needs that before it ends.
func (f *fake) stop() {
	_ = f.server.Close()
}

func (f *fake) Accept() (net.Conn, error) {
	select {
	case c := <-f.dials:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *fake) Close() error {
	close(f.closed)
	return nil
}

func (f *fake) Addr() net.Addr { return &net.TCPAddr{} }

// peerConn is a pipe that says where it leads.
type peerConn struct {
	net.Conn
	addr net.Addr
}

func (c peerConn) RemoteAddr() net.Addr { return c.addr }

func (f *fake) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	f.mu.Lock()
	down, peer := f.down, f.peer
	f.mu.Unlock()
	if down {
		return nil, fmt.Errorf("connection refused")
	}
	here, there := net.Pipe()
	select {
	case f.dials <- there:
		addr, err := net.ResolveTCPAddr("tcp", peer)
		return peerConn{here, addr}, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// kill drops all connections and refuses new ones, as a dead process does.
func (f *fake) kill() {
	f.mu.Lock()
	f.down = true
	f.mu.Unlock()
	_ = f.server.Close()
}

// revive starts the server anew.
func (f *fake) revive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down, f.closed = false, make(chan struct{})
	f.server = &http.Server{Handler: f}
	go f.server.Serve(f)
}

// set replaces a service's instances and moves the index.
func (f *fake) set(service string, instances ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.services[service] = instances
	f.bump(1)
}

// bump moves the index and wakes who waits. f.mu is held.
func (f *fake) bump(by int) {
	f.index = uint64(int(f.index) + by)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) answerWith(answer func(w http.ResponseWriter, r *http.Request, n int) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// queries are the health queries so far.
func (f *fake) queries() []ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]ask(nil), f.asked...)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v1/health/service/"):
		f.health(w, r, strings.TrimPrefix(path, "/v1/health/service/"))
	case path == "/v1/status/leader":
		fmt.Fprint(w, `"10.0.0.1:8300"`)
	case strings.HasPrefix(path, "/v1/agent/"):
		f.serveAgent(w, r, strings.TrimPrefix(path, "/v1/agent/"))
	default:
		f.mu.Lock()
		answer := f.answer
		f.mu.Unlock()
		if answer != nil && answer(w, r, 0) {
			return
		}
		http.Error(w, "ACL support disabled", http.StatusUnauthorized)
	}
}

func (f *fake) health(w http.ResponseWriter, r *http.Request, service string) {
	q := r.URL.Query()
	f.mu.Lock()
	f.asked = append(f.asked, ask{time.Now(), q.Get("index"), r.URL.Path, r.URL.RawQuery})
	n, answer := len(f.asked), f.answer
	f.mu.Unlock()
	if answer != nil && answer(w, r, n) {
		return
	}
	index, _ := strconv.ParseUint(q.Get("index"), 10, 64)
	wait, err := time.ParseDuration(q.Get("wait"))
	if err != nil {
		wait = 5 * time.Minute
	}
	if index > 0 {
		f.block(r.Context(), index, wait)
	}
	f.mu.Lock()
	body, now := "["+strings.Join(f.services[service], ",")+"]", f.index
	f.mu.Unlock()
	reply(w, strconv.FormatUint(now, 10), body)
}

// block waits until the index is beyond the one given, or falls, as in the restore of a
// snapshot, which ends what blocks.
func (f *fake) block(ctx context.Context, index uint64, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for high := uint64(0); ; {
		f.mu.Lock()
		now, changed := f.index, f.changed
		f.mu.Unlock()
		if high = max(high, now); now > index || now < high {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func reply(w http.ResponseWriter, index, body string) {
	w.Header().Set("Content-Type", "application/json")
	if index != "" {
		w.Header().Set("X-Consul-Index", index)
	}
	w.Header().Set("X-Consul-KnownLeader", "true")
	w.Header().Set("X-Consul-LastContact", "0")
	fmt.Fprint(w, body)
}

func (f *fake) serveAgent(w http.ResponseWriter, r *http.Request, path string) {
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	if answer != nil && answer(w, r, 0) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	verb, id := path[:strings.LastIndex(path, "/")], path[strings.LastIndex(path, "/")+1:]
	switch verb {
	case "service":
		if id == "register" {
			def := map[string]any{}
			_ = json.NewDecoder(r.Body).Decode(&def)
			f.agent[def["ID"].(string)] = def
			return
		}
		def, ok := f.agent[id]
		if !ok {
			http.Error(w, "unknown service ID", http.StatusNotFound)
			return
		}
		out := map[string]any{}
		for k, v := range def {
			out[k] = v
		}
		out["Service"] = def["Name"]
		if err := json.NewEncoder(w).Encode(out); err != nil {
			f.t.Error(err)
		}
	case "service/deregister":
		delete(f.agent, id)
	case "check/update":
		f.beats++
		if _, ok := f.agent[strings.TrimPrefix(id, "service:")]; !ok {
			http.Error(w, "Unknown check ID", http.StatusNotFound)
		}
	default:
		http.Error(w, "unknown path "+path, http.StatusTeapot)
	}
}

func (f *fake) registrations() map[string]map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]map[string]any{}
	for id, def := range f.agent {
		out[id] = def
	}
	return out
}

// forget loses all registrations, as an agent that starts anew does.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.agent = map[string]map[string]any{}
}

// config is a Config for the fake.
func (f *fake) config() consul.Config {
	return consul.Config{Address: "consul.test:8500", Dial: f.dial}
}

// instance is the JSON of a passing instance at host:port, with what edits say.
func instance(addr string, edits ...func(service, node map[string]any) (checks []any)) string {
	host, port, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(port)
	service := map[string]any{
		"ID": "id-" + addr, "Service": "web", "Address": host, "Port": number,
		"Weights": map[string]any{"Passing": 1, "Warning": 1},
	}
	node := map[string]any{"Node": "n1", "Address": "10.255.0.1", "Datacenter": "dc1"}
	checks := []any{check("serfHealth", "passing")}
	for _, edit := range edits {
		if more := edit(service, node); more != nil {
			checks = append(checks, more...)
		}
	}
	out, err := json.Marshal(map[string]any{"Node": node, "Service": service, "Checks": checks})
	if err != nil {
		panic(err) // a test has given what JSON cannot say
	}
	return string(out)
}

func check(id, status string) map[string]any { return map[string]any{"CheckID": id, "Status": status} }

// status adds a check of the service with that status.
func status(s string) func(service, node map[string]any) []any {
	return func(map[string]any, map[string]any) []any { return []any{check("service:x", s)} }
}

// field sets a field of the service.
func field(name string, value any) func(service, node map[string]any) []any {
	return func(service, _ map[string]any) []any {
		service[name] = value
		return nil
	}
}
