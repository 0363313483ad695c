// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// get asks a page of an agent by the name of this host.
func get(t testing.TB, a *agent.Agent, path string, head ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.AdminAddr().String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(head); i += 2 {
		if head[i] == "Host" {
			r.Host = head[i+1]
			continue
		}
		r.Header.Set(head[i], head[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// guarded is policy with a token in it.
const guarded = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {authorization: {exact: Bearer s3cret}, x-user: {exact: jason}}}]
    route: [{destination: {host: b}}]
  - route: [{destination: {host: a}}]
`

func TestAgent_tellsHowThingsStand(t *testing.T) {
	a := start(t, agent.Config{
		Resolver: ab(t), Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Policies: []string{write(t, guarded)}, SnapshotDir: t.TempDir(),
	})
	cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
	reaches(t, cc, "a")
	eventually(t, "all is answered", func() bool {
		c := a.Status().Clients
		return len(c) == 1 && c[0].Accepted == len(c[0].Resources) && len(c[0].Resources) == 6 // a listener, routes, and two of each else
	})
	code, body, _ := get(t, a, "/status")
	var s agent.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("/status: %d, %v:\n%s", code, err, body)
	}
	c := s.Clients[0]
	if c.ID != "n1" || c.Language != "grpc-go" || c.Client != "gRPC Go" || c.Version == "" || c.Locality != "eu/a" || c.Labels["app"] != "web" {
		t.Errorf("the client: got %+v", c)
	}
	if len(s.Services) != 2 || s.Services[0].State != "live" || s.Policy.Documents != 1 || !s.Ready || s.Disk == nil {
		t.Errorf("got %+v", s)
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready"} {
		if code, body, _ := get(t, a, path); code != http.StatusOK || strings.TrimSpace(body) != want {
			t.Errorf("%s: got %d %q, want 200 and %q", path, code, body, want)
		}
	}
	_, page, head := get(t, a, "/status", "Accept", "text/html")
	if !strings.Contains(page, "gRPC Go") || !strings.Contains(page, "</html>") || !strings.Contains(head.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: got %s with %v", page, head)
	}
	_, text, _ := get(t, a, "/metrics")
	for _, want := range []string{
		"enmesh_agent_ready 1", `enmesh_agent_clients{language="grpc-go"} 1`, `enmesh_agent_answers_total{kind="cluster",result="rejected"} 0`,
		`enmesh_agent_pushes_total{kind="listener"} 1`, `enmesh_agent_policy_loads_total{result="applied"} 1`,
		`enmesh_agent_watch_state{service="a",state="live"} 1`, `enmesh_agent_endpoints{service="a"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	for _, path := range []string{"/status", "/config", "/metrics", "/", "/healthz"} {
		if code, _, _ := get(t, a, path, "Host", "rebound.example:15000"); code != http.StatusForbidden {
			t.Errorf("%s by another name: got %d, want 403", path, code)
		}
	}
}

func TestAgent_dumpsWithoutSecrets(t *testing.T) {
	a := start(t, agent.Config{Resolver: ab(t), Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Policies: []string{write(t, guarded)}})
	reaches(t, dial(t, bootstrap(a.Addr().String(), ""), "reviews:80"), "a")
	code, body, _ := get(t, a, "/config?node=n1")
	if code != http.StatusOK || !json.Valid([]byte(body)) {
		t.Fatalf("got %d:\n%s", code, body)
	}
	cc, err := grpc.NewClient(a.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	all, err := statusv3.NewClientStatusDiscoveryServiceClient(cc).FetchClientStatus(t.Context(), &statusv3.ClientStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for want, there := range map[string]bool{
		"jason": true, "[redacted]": true, "s3cret": false, "outbound|0||a.default.svc.cluster.local": true, "HttpConnectionManager": true,
	} {
		for name, text := range map[string]string{"/config": body, "CSDS": protojson.Format(all)} {
			if strings.Contains(text, want) != there {
				t.Errorf("%q is in %s: %v, want %v\n%s", want, name, !there, there, text)
			}
		}
	}
	if code, _, _ := get(t, a, "/config?node=other"); code != http.StatusNotFound {
		t.Errorf("of a node that is not there: got %d, want 404", code)
	}
}

func TestAgent_isNotReadyWithoutPolicyOrCertificates(t *testing.T) {
	source := newScript()
	a := start(t, agent.Config{
		Resolver: discovery.NewMemory(), Admin: ":0", PolicySources: []policy.Source{source},
		Issue: []agent.Issue{{Dir: filepath.Join(t.TempDir(), "web"), From: agent.FromSource(nobody{})}},
	})
	if code, body, _ := get(t, a, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no policy") {
		t.Errorf("without policy: got %d %s", code, body)
	}
	source.says(toward("a"), nil)
	eventually(t, "policy is there", func() bool { return a.Status().Ready })
	eventually(t, "the failure is known", func() bool { return a.Status().Certificates[0].Error != "" })
	if code, body, _ := get(t, a, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "not today") {
		t.Errorf("without a certificate: got %d %s", code, body)
	}
	if code, _, _ := get(t, a, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: got %d, want 200: nothing is gained by a restart", code)
	}
}

func TestAgent_addsUpLoadReports(t *testing.T) {
	a := start(t, agent.Config{
		Resolver: ab(t), Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Policies: []string{write(t, toward("a"))},
		LoadReports: true, LoadInterval: 100 * time.Millisecond,
	})
	cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
	for range 7 {
		if err := cc.Invoke(t.Context(), "/shop.Reviews/Get", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			t.Fatal(err)
		}
	}
	want := `enmesh_agent_edge_calls_total{destination="a.default.svc.cluster.local",result="succeeded",source="web",source_namespace="default",subset=""} 7`
	eventually(t, "the calls are counted", func() bool {
		_, text, _ := get(t, a, "/metrics")
		return strings.Contains(text, want)
	})
}

func TestAgent_asksServiceEntries(t *testing.T) {
	e := backend(t, "outside")
	host, port, _ := strings.Cut(e.Addrs[0], ":")
	a := start(t, agent.Config{Resolver: discovery.NewMemory(), Listen: "127.0.0.1:0", Policies: []string{write(t, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [api.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: grpc, protocol: GRPC, targetPort: `+port+`}]
  endpoints: [{address: `+host+`}]
`)}})
	reaches(t, dial(t, bootstrap(a.Addr().String(), ""), "api.example.com:80"), "outside")
}

func TestOpen_refusesWhatMakesNoSense(t *testing.T) {
	registry := discovery.NewMemory()
	cache, err := discovery.NewCache(registry, discovery.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	from := agent.FromSource(nobody{})
	for want, cfg := range map[string]agent.Config{
		"Resolver is nil":          {},
		"Guard is set":             {Resolver: cache, Guard: discovery.Guard{Trust: true}},
		"Config.Listen":            {Resolver: registry, Listen: "0.0.0.0:0"},
		"Config.Admin":             {Resolver: registry, Admin: "192.0.2.1:80"},
		"Config.Identity is not":   {Resolver: registry, ListenTLS: "0.0.0.0:0"},
		"PolicySources[0] is nil":  {Resolver: registry, PolicySources: []policy.Source{nil}},
		"Issue[0]: the Dir":        {Resolver: registry, Issue: []agent.Issue{{From: from}}},
		"Issue[0]: x: there is no": {Resolver: registry, Issue: []agent.Issue{{Dir: "x"}}},
		"Issue[1]: the directory":  {Resolver: registry, Issue: []agent.Issue{{Dir: "x", From: from}, {Dir: "x", From: from}}},
		"trust domain":             {Resolver: registry, TrustDomain: "spiffe://x"},
		"no such file":             {Resolver: registry, Policies: []string{"/nowhere/policy.yaml"}},
		"Limits.Names":             {Resolver: registry, Limits: xds.Limits{Names: -1}},
	} {
		if _, err := agent.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestAgent_closesWithoutHavingRun(t *testing.T) {
	a, err := agent.Open(t.Context(), agent.Config{Resolver: discovery.NewMemory(), Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	if err := a.Run(t.Context()); err != nil {
		t.Errorf("Run after Close: %v", err)
	}
}

func TestHandler_withoutAListener(t *testing.T) {
	a := start(t, agent.Config{Resolver: discovery.NewMemory()})
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://localhost/readyz", http.NoBody)
	a.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK || a.Addr() != nil || a.AdminAddr() != nil || a.AddrTLS() != nil {
		t.Errorf("got %d, %v, want 200 and no addresses", w.Code, a.Addr())
	}
}
