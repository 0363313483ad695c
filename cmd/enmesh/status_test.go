// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/security"
)

func mustID(t *testing.T, text string) security.ID {
	t.Helper()
	id, err := security.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func well() agent.Status {
	return agent.Status{
		Ready: true, Since: time.Now(), Policy: agent.PolicyStatus{Documents: 2, Version: "v1", Applied: time.Now()},
		Services:     []agent.ServiceStatus{{Service: "reviews", State: "live", Known: true, Endpoints: 3, Staleness: 59}},
		Certificates: []agent.CertificateStatus{{Dir: "/certs/web", NotAfter: time.Now().Add(time.Hour), Left: 3600}},
		Clients: []agent.ClientStatus{{
			ID: "web.shop@a", Language: "grpc-go", Version: "1.85.0", Namespace: "shop", Locality: "eu/a", Accepted: 1,
			Resources: []agent.ResourceStatus{{Kind: "listener", Name: "reviews", State: "accepted", Version: "77"}},
		}},
		Notes:    []string{"p.yaml:7: grpc-go: approximated: reviews: so and so"},
		Verdicts: map[string][]string{"grpc-node": {"p.yaml:9: ignored: a"}, "grpc-go": {"p.yaml:9: ignored: b", "p.yaml:11: rejected: c"}, "grpc-cpp": {}},
	}
}

// statusOf serves a status, and has the command look at it.
func statusOf(t *testing.T, s agent.Status, args ...string) (code int, out, messages string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(s) }))
	defer server.Close()
	return enmesh(t, append([]string{"agent", "status", "-admin", server.Listener.Addr().String()}, args...)...)
}

func TestStatus_isWell(t *testing.T) {
	code, out, messages := statusOf(t, well(), "-all")
	if code != exitWell || messages != "" {
		t.Errorf("got %d, %s, want 0", code, messages)
	}
	for _, want := range []string{
		"2 documents, version v1", "reviews  live   3          0     59s", "/certs/web   -         1h0m0s   0",
		"web.shop@a  grpc-go  1.85.0   shop       eu/a      1    0", "web.shop@a  listener  reviews   accepted  77", "p.yaml:7: grpc-go: approximated",
		"\nWHAT grpc-go DOES NOT DO AS WRITTEN\np.yaml:9: ignored: b\np.yaml:11: rejected: c\n\nWHAT grpc-node DOES NOT DO AS WRITTEN\np.yaml:9: ignored: a\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "grpc-cpp") {
		t.Errorf("it has a title with nothing below it:\n%s", out)
	}
}

func TestStatus_saysWhatIsNotWell(t *testing.T) {
	for want, change := range map[string]func(*agent.Status){
		"no client is answered yet":                      func(s *agent.Status) { s.Ready = false },
		"policy is refused, the last good one stays in":  func(s *agent.Status) { s.Policy.Error = "p.yaml:3: oh" },
		"policy cannot be kept on disk: full":            func(s *agent.Status) { s.Policy.DiskError = "full" },
		"endpoints cannot be kept on disk: full":         func(s *agent.Status) { s.Disk = &agent.DiskStatus{Error: "full"} },
		"service reviews is out of touch with the":       func(s *agent.Status) { s.Services[0].Staleness = 61 },
		"certificate /certs/web: there is none: no key":  func(s *agent.Status) { s.Certificates[0] = agent.CertificateStatus{Dir: "/certs/web", Error: "no key"} },
		"certificate /certs/web has ended: -":            func(s *agent.Status) { s.Certificates[0].Left = -1 },
		"certificate /certs/web is not renewed, and end": func(s *agent.Status) { s.Certificates[0].Error = "no answer" },
		"client web.shop@a refuses the listener reviews": func(s *agent.Status) {
			s.Clients[0].Resources[0].State, s.Clients[0].Resources[0].Error = "rejected", "bad filter"
		},
	} {
		s := well()
		change(&s)
		if code, _, messages := statusOf(t, s); code != exitNo || !strings.HasPrefix(messages, "not well: "+want) || strings.Count(messages, "\n") != 1 {
			t.Errorf("got %d, %s, want 1 and %q", code, messages, want)
		}
	}
	s := well()
	s.Services[0].Staleness = 61
	if code, _, messages := statusOf(t, s, "-stale", "2m"); code != exitWell {
		t.Errorf("got %d, %s, want 0 within 2 min", code, messages)
	}
}

func TestStatus_ofSomethingElse(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	code, _, messages := enmesh(t, "agent", "status", "-admin", server.Listener.Addr().String())
	if code != exitNo || !strings.Contains(messages, "404 Not Found") {
		t.Errorf("got %d, %s", code, messages)
	}
	if code, _, messages = enmesh(t, "agent", "status", "-admin", "a b"); code != exitNo || !strings.Contains(messages, "invalid") {
		t.Errorf("got %d, %s", code, messages)
	}
}
