// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/book"
	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/report"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const example = "../.."

// running is an App with a directory of policies of its own.
type running struct {
	*app.App
	t      *testing.T
	dir    string
	events *report.Events
	client *http.Client
}

// start runs bookinfo on its own policies, with the given step over them if any.
func start(t *testing.T, step string, cfg app.Config) *running {
	t.Helper()
	r := &running{t: t, dir: t.TempDir(), events: &report.Events{}}
	if err := os.CopyFS(r.dir, os.DirFS(filepath.Join(example, "policies"))); err != nil {
		t.Fatal(err)
	}
	if step != "" {
		r.step(step)
	}
	cfg.Policies = r.dir
	cfg.Events = slog.New(r.events.Handler())
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := app.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	r.App, r.client = a, &http.Client{Transport: transport, Timeout: 30 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// read is a file of the example.
func (r *running) read(name string) []byte {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(example, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// step puts a step over the file that its head names, before or while bookinfo runs.
func (r *running) step(name string) {
	r.t.Helper()
	target, data := r.stepOf(name)
	r.replace(target, data)
}

// stepOf is a step, and the policy file that it goes over.
func (r *running) stepOf(name string) (target string, data []byte) {
	r.t.Helper()
	data = r.read(filepath.Join("steps", name))
	_, rest, ok := strings.Cut(string(data), "# Goes over policies/")
	target, _, ok2 := strings.Cut(rest, ".\n")
	if !ok || !ok2 {
		r.t.Fatalf("%s does not say which file it goes over", name)
	}
	return target, data
}

// replace puts data in the place of a policy file at once, as editors do.
func (r *running) replace(name string, data []byte) {
	r.t.Helper()
	fresh := filepath.Join(r.dir, "."+name+".new")
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(fresh, filepath.Join(r.dir, name)); err != nil {
		r.t.Fatal(err)
	}
}

// node is the instance with an ID.
func (r *running) node(id string) *app.Node {
	r.t.Helper()
	for _, n := range r.Nodes() {
		if n.ID() == id {
			return n
		}
	}
	r.t.Fatalf("no node %q", id)
	return nil
}

// answer is a page, as the browser got it.
type answer struct {
	body string
	took time.Duration
}

func (a answer) version() string {
	_, rest, _ := strings.Cut(a.body, "came from reviews ")
	version, _, _ := strings.Cut(rest, ".")
	return version
}

// page asks for the page as a user; "" is nobody.
func (r *running) page(user string) (answer, error) {
	begin := time.Now()
	body, err := fetch(r.t.Context(), r.client, r.URL(), user)
	return answer{body: string(body), took: time.Since(begin)}, err
}

// pages asks for n pages, several at once, and fails the test for each that is not to
// be had.
func (r *running) pages(n int, user string) []answer {
	r.t.Helper()
	out := make([]answer, n)
	each(n, 8, func(i int) {
		a, err := r.page(user)
		if err != nil {
			r.t.Errorf("page %d: %v", i, err)
		}
		out[i] = a
	})
	return out
}

// each calls f for 0 to n-1, at most width at once.
func each(n, width int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, width)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() { defer func() { <-slots }(); f(i) })
	}
	wg.Wait()
}

// fetch gets a URL; any status but 200 is an error.
func fetch(ctx context.Context, client *http.Client, url, user string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if user != "" {
		req.Header.Set("End-User", user)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return body, err
}

// reviewVersions calls reviews n times from productpage's place and counts who
// answered.
func (r *running) reviewVersions(n int, user string) map[string]int {
	r.t.Helper()
	client := r.node("productpage-v1-0").HTTP()
	var mu sync.Mutex // guards counts
	counts := map[string]int{}
	each(n, 8, func(int) {
		body, err := fetch(r.t.Context(), client, "http://reviews:9080/reviews/0", user)
		var got book.Reviews
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		if err != nil {
			r.t.Errorf("reviews: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		counts[got.Version]++
	})
	return counts
}

// edge is what was counted on one edge.
func (r *running) edge(from, to, version, protocol string) edges.Edge {
	name := edges.Name{From: from, To: to, Version: version, Protocol: protocol}
	for _, e := range r.Edges() {
		if e.Name == name {
			return e
		}
	}
	return edges.Edge{Name: name}
}

// failures fails the test for each edge with a failed call.
func (r *running) noFailures() {
	r.t.Helper()
	for _, e := range r.Edges() {
		if e.Failures != 0 || e.Attempts < e.Requests {
			r.t.Errorf("%s to %s %s over %s: %d requests, %d attempts, %d failures, codes %v; want none failed",
				e.From, e.To, e.Version, e.Protocol, e.Requests, e.Attempts, e.Failures, e.Codes)
		}
	}
}

// eventually polls until f is true.
func eventually(t *testing.T, within time.Duration, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", within, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
