// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/enmeshtest"
)

const reviews = "/v1/health/service/reviews"

func instance(i int) enmeshtest.ConsulInstance {
	return enmeshtest.ConsulInstance{ID: fmt.Sprintf("r%d", i), Address: "127.0.0.1", Port: 9000 + i}
}

// answer is what came of one request.
type answer struct {
	status int
	index  string
	body   string
	err    error
	after  time.Duration
}

// ids are those of the instances in the body, or the body where it is not a list of them.
func (a answer) ids() string {
	var rows []struct{ Service struct{ ID string } }
	if err := json.Unmarshal([]byte(a.body), &rows); err != nil {
		return strings.TrimSpace(a.body)
	}
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.Service.ID)
	}
	return strings.Join(ids, ",")
}

func (a answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("error after %v", a.after)
	}
	return fmt.Sprintf("%d index %q %s after %v", a.status, a.index, a.ids(), a.after)
}

// do sends one request and reads the answer to its end.
func do(ctx context.Context, client *http.Client, method, url, body string) answer {
	begin := time.Now()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err, after: time.Since(begin)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{
		status: resp.StatusCode, index: resp.Header.Get("X-Consul-Index"), body: string(text), err: err, after: time.Since(begin),
	}
}

func get(t *testing.T, client *http.Client, path string) answer {
	return do(t.Context(), client, http.MethodGet, "http://consul"+path, "")
}

// later begins a request and returns how to wait for its answer.
func later(t *testing.T, client *http.Client, path string) func() answer {
	got := make(chan answer, 1)
	go func() { got <- get(t, client, path) }()
	synctest.Wait()
	return func() answer { return <-got }
}

func wantAnswer(t *testing.T, what string, got answer, want string) {
	t.Helper()
	if got.String() != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func TestConsul_blocksUntilAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enmeshtest.NewConsul()
		client := c.Client(t)
		wantAnswer(t, "unknown", get(t, client, reviews), `200 index "10"  after 0s`)
		c.Set("reviews", instance(1), instance(2))
		wantAnswer(t, "first", get(t, client, reviews+"?index=10&wait=1m"), `200 index "11" r1,r2 after 0s`)

		next := later(t, client, reviews+"?index=11&wait=1m")
		if got := c.Waiting(reviews); got != 1 {
			t.Errorf("queries that wait: got %d, want 1", got)
		}
		time.Sleep(20 * time.Second)
		c.Set("ratings", instance(7)) // another service
		time.Sleep(10 * time.Second)
		c.Set("reviews", instance(2))
		wantAnswer(t, "changed", next(), `200 index "13" r2 after 30s`)
		wantAnswer(t, "in vain", get(t, client, reviews+"?index=13&wait=1m"), `200 index "13" r2 after 1m0s`)

		next = later(t, client, reviews+"?index=13&wait=1m")
		c.Touch("reviews")
		wantAnswer(t, "touched", next(), `200 index "14" r2 after 0s`)

		next = later(t, client, reviews+"?index=14&wait=1m")
		c.SetIndex(3)
		wantAnswer(t, "restored", next(), `200 index "3" r2 after 0s`)
		wantAnswer(t, "above the index", get(t, client, reviews+"?index=14&wait=1m"), `200 index "3" r2 after 1m0s`)
		if got := len(c.Requests(reviews)); got != 7 {
			t.Errorf("requests: got %d, want 7", got)
		}
	})
}

func TestConsul_filters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enmeshtest.NewConsul()
		client := c.Client(t)
		one, two, three := instance(1), instance(2), instance(3)
		one.Tags, two.Tags, two.Status = []string{"a", "b"}, []string{"b"}, "warning"
		three.Checks = []enmeshtest.ConsulCheck{{CheckID: "_node_maintenance", Status: "critical"}}
		c.Set("reviews", one, two, three)
		c.SetIn("dc2", "reviews", instance(4))
		for query, want := range map[string]string{
			"":             "r1,r2,r3",
			"?passing=1":   "r1",
			"?tag=b":       "r1,r2",
			"?tag=b&tag=a": "r1",
			"?dc=dc2":      "r4",
			"?dc=dc3":      "No path to datacenter",
		} {
			if got := get(t, client, reviews+query).ids(); got != want {
				t.Errorf("%s: got %s, want %s", query, got, want)
			}
		}
		if got := get(t, client, "/v1/catalog/datacenters").body; got != `["dc1","dc2"]` {
			t.Errorf("datacenters: got %s", got)
		}
	})
}

func TestConsul_agentHoldsServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enmeshtest.NewConsul()
		client := c.Client(t)
		put := func(path, body string) answer {
			return do(t.Context(), client, http.MethodPut, "http://consul/v1/agent/"+path, body)
		}
		put("service/register", `{"ID":"r1","Name":"reviews","Port":1,"Check":{"TTL":"9s"},"Weights":{"Passing":5,"Warning":2}}`)
		if got := get(t, client, reviews+"?passing").ids(); got != "" {
			t.Errorf("a TTL check at first: got %q passing, want none", got)
		}
		for _, path := range []string{"check/pass/service:r1", "check/update/service:r1"} {
			put(path, `{"Status":"passing"}`)
			if got := get(t, client, reviews+"?passing").ids(); got != "r1" {
				t.Errorf("after %s: got %q passing, want r1", path, got)
			}
			time.Sleep(5 * time.Second)
		}
		next := later(t, client, reviews+fmt.Sprintf("?index=%d", c.Index()))
		if got := next(); got.after != 4*time.Second || !strings.Contains(got.body, "TTL expired") {
			t.Errorf("a TTL check without a sign of life: got %v %s, want TTL expired after 4s", got.after, got.body)
		}
		put("check/pass/service:r1", "")
		put("service/maintenance/r1?enable=true", "")
		if got := get(t, client, reviews+"?passing").ids(); got != "" {
			t.Errorf("in maintenance: got %q passing, want none", got)
		}
		if got := get(t, client, "/v1/agent/services").body; !strings.Contains(got, `"Weights":{"Passing":5,"Warning":2}`) {
			t.Errorf("services: got %s, want the weights 5 and 2", got)
		}
		c.Forget()
		for _, r := range []answer{put("check/pass/service:r1", ""), put("service/deregister/r1", ""), get(t, client, "/v1/agent/service/r1")} {
			if r.status != 404 {
				t.Errorf("of a forgotten service: got %v, want 404", r)
			}
		}
		if got := c.Registered(); len(got) != 0 {
			t.Errorf("registered: got %v, want none", got)
		}
	})
}

func TestConsul_refusesWhatConsulRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enmeshtest.NewConsul()
		client := c.Client(t)
		for _, r := range []struct {
			path, body string
			status     int
		}{
			{"/v1/agent/service/register", "{", 400},
			{"/v1/agent/service/register", `{"ID":"x"}`, 400},
			{"/v1/agent/check/update/x", "{", 400},
			{"/v1/agent/check/update/x", `{"Status":"fine"}`, 400},
			{"/v1/agent/check/update/x", `{"Status":"passing"}`, 404},
			{"/v1/agent/service/maintenance/x?enable=true", "", 404},
			{"/v1/session/create", "", 404},
		} {
			if got := do(t.Context(), client, http.MethodPut, "http://consul"+r.path, r.body); got.status != r.status {
				t.Errorf("%s %s: got %v, want %d", r.path, r.body, got, r.status)
			}
		}
	})
}

func TestConsul_goesDownAndUp(t *testing.T) {
	c := enmeshtest.NewConsul()
	c.Set("reviews", instance(1))
	url := "http://" + c.Start(t) + reviews
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	waiting := make(chan answer, 1)
	go func() { waiting <- do(t.Context(), client, http.MethodGet, url+"?index=99", "") }()
	for c.Waiting(reviews) == 0 {
		<-time.After(time.Millisecond)
	}
	c.Down()
	if got := <-waiting; got.err == nil {
		t.Errorf("a query that waited: got %v, want an error", got)
	}
	if got := do(t.Context(), client, http.MethodGet, url, ""); got.err == nil {
		t.Errorf("while it is down: got %v, want an error", got)
	}
	if err := c.Up(); err != nil {
		t.Fatal(err)
	}
	if got := do(t.Context(), client, http.MethodGet, url, ""); got.ids() != "r1" {
		t.Errorf("after it came back: got %v, want r1", got)
	}
	if err := c.Up(); err == nil {
		t.Error("Up twice: got no error")
	}
}
