// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/consultest"
)

// TestConsul_answersAsARealOne asks the scripted registry and a real Consul the same, and
// compares statuses, and the names and types of all that the scripted one says.
func TestConsul_answersAsARealOne(t *testing.T) {
	server := consultest.Dev(t, consultest.Config{})
	fake := enmeshtest.NewConsul()
	addrs := map[string]string{"real": server.Addr, "fake": fake.Start(t)}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	const definition = `{"ID":"web-1","Name":"web","Tags":["v1"],"Meta":{"a":"b"},"Address":"127.0.0.1","Port":8001,
		"TaggedAddresses":{"wan":{"Address":"192.0.2.1","Port":80}},"Weights":{"Passing":5,"Warning":2},
		"Check":{"TTL":"10m","Status":"passing"}}`
	for _, step := range []struct {
		method, path, body string
		loose              bool // compare the status only
	}{
		{method: "GET", path: "/v1/health/service/web"},
		{method: "PUT", path: "/v1/agent/service/register", body: definition},
		{method: "GET", path: "/v1/health/service/web?wait=3s&index=1"},
		{method: "GET", path: "/v1/health/service/web?passing=1"},
		{method: "GET", path: "/v1/health/service/web?tag=v1"},
		{method: "GET", path: "/v1/health/service/web?tag=v2"},
		{method: "GET", path: "/v1/agent/services"},
		{method: "GET", path: "/v1/agent/service/web-1"},
		{method: "GET", path: "/v1/agent/checks"},
		{method: "GET", path: "/v1/agent/self"},
		{method: "GET", path: "/v1/status/leader"},
		{method: "GET", path: "/v1/catalog/datacenters"},
		{method: "GET", path: "/v1/catalog/services"},
		{method: "PUT", path: "/v1/agent/check/update/service:web-1", body: `{"Status":"warning","Output":"o"}`},
		{method: "PUT", path: "/v1/agent/check/fail/service:web-1?note=n"},
		{method: "PUT", path: "/v1/agent/check/pass/service:web-1"},
		{method: "PUT", path: "/v1/agent/service/maintenance/web-1?enable=true"},
		{method: "GET", path: "/v1/agent/checks"},
		{method: "PUT", path: "/v1/agent/service/maintenance/web-1?enable=false"},
		{method: "PUT", path: "/v1/agent/service/deregister/web-1"},
		{method: "PUT", path: "/v1/agent/service/deregister/web-1", loose: true},
		{method: "PUT", path: "/v1/agent/check/pass/service:web-1", loose: true},
		{method: "PUT", path: "/v1/agent/check/update/service:web-1", body: `{"Status":"good"}`, loose: true},
		{method: "PUT", path: "/v1/agent/service/maintenance/web-1?enable=true", loose: true},
		{method: "PUT", path: "/v1/agent/service/register", body: "{", loose: true},
		{method: "GET", path: "/v1/agent/service/web-1", loose: true},
		{method: "GET", path: "/v1/health/service/web?dc=nowhere", loose: true},
	} {
		name := step.method + " " + step.path
		got := make(map[string]answer)
		for which, addr := range addrs {
			got[which] = do(t.Context(), client, step.method, "http://"+addr+step.path, step.body)
		}
		if step.method == "GET" && strings.HasPrefix(step.path, "/v1/health") && !step.loose {
			got["real"] = settled(t, client, "http://"+addrs["real"]+step.path, got["fake"])
		}
		if got["real"].err != nil || got["fake"].err != nil {
			t.Fatalf("%s: %v, %v", name, got["real"].err, got["fake"].err)
		}
		if got["fake"].status != got["real"].status {
			t.Errorf("%s: got status %d %s, want Consul's %d %s", name,
				got["fake"].status, got["fake"].body, got["real"].status, got["real"].body)
		}
		if step.loose {
			continue
		}
		if strings.HasPrefix(step.path, "/v1/health") && got["fake"].ids() != got["real"].ids() {
			t.Errorf("%s: got %s, want Consul's %s", name, got["fake"].ids(), got["real"].ids())
		}
		if (got["fake"].index == "") != (got["real"].index == "") {
			t.Errorf("%s: got the index %q, Consul's is %q", name, got["fake"].index, got["real"].index)
		}
		fakeShape, realShape := shape(t, got["fake"].body), shape(t, got["real"].body)
		for _, path := range slices.Sorted(maps.Keys(fakeShape)) {
			if kind, ok := realShape[path]; !ok || kind != fakeShape[path] && kind != "null" && fakeShape[path] != "null" {
				t.Errorf("%s: got %s of type %s, Consul has type %q", name, path, fakeShape[path], kind)
			}
		}
	}
}

// settled asks a real Consul until it has as many instances as wanted: an agent writes
// to the catalogue a little later.
func settled(t *testing.T, client *http.Client, url string, want answer) answer {
	t.Helper()
	var got answer
	consultest.Await(t, 10*time.Second, func() error {
		if got = do(t.Context(), client, "GET", url, ""); got.ids() != want.ids() {
			return fmt.Errorf("%s: got %s, want %s", url, got.ids(), want.ids())
		}
		return nil
	})
	return got
}

// shape lists the paths of a JSON text with the types of their values. Keys that name
// an instance or a check are the same on both sides.
func shape(t *testing.T, text string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	if strings.TrimSpace(text) == "" {
		return found
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	describe(found, "$", v)
	return found
}

func describe(found map[string]string, path string, v any) {
	switch v := v.(type) {
	case nil:
		found[path] = "null"
	case map[string]any:
		found[path] = "object"
		for key, item := range v {
			describe(found, path+"."+key, item)
		}
	case []any:
		found[path] = "list"
		for _, item := range v {
			describe(found, path+"[]", item)
		}
	default:
		found[path] = fmt.Sprintf("%T", v)
	}
}
