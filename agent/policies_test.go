// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/policy"
)

// toward is policy that sends calls of reviews to another service.
func toward(service string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: %s}}]
`, service)
}

// broken has a mistake in its eighth line.
const broken = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - timeout: nonsense
    route: [{destination: {host: a}}]
`

func rewrite(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// ab is a registry with a service a and a service b.
func ab(t testing.TB) *discovery.Memory {
	t.Helper()
	registry := discovery.NewMemory()
	registry.Set("a", backend(t, "a"))
	registry.Set("b", backend(t, "b"))
	return registry
}

func TestAgent_keepsTheLastGoodPolicy(t *testing.T) {
	registry, path, kept := ab(t), write(t, toward("a")), t.TempDir()
	cfg := agent.Config{Resolver: registry, Listen: "127.0.0.1:0", Policies: []string{path}, SnapshotDir: kept}
	t.Run("refused while it runs", func(t *testing.T) {
		a := start(t, cfg)
		cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
		reaches(t, cc, "a")
		rewrite(t, path, broken)
		eventually(t, "the load is refused", func() bool { return a.Status().Policy.Error != "" })
		if got := a.Status().Policy; !strings.Contains(got.Error, "policy.yaml:8") || got.Refused != 1 || got.Version == "" {
			t.Errorf("got %+v, want the error's file and line, and the version in force", got)
		}
		reaches(t, cc, "a")
		rewrite(t, path, toward("b"))
		reaches(t, cc, "b")
		eventually(t, "the mistake was put right in the third load", func() bool {
			got := a.Status().Policy // told after the clients
			return got.Error == "" && got.Loads == 3
		})
	})
	rewrite(t, path, broken)
	t.Run("refused at the start", func(t *testing.T) {
		a := start(t, cfg)
		reaches(t, dial(t, bootstrap(a.Addr().String(), ""), "reviews:80"), "b")
		if got := a.Status().Policy; !got.Restored || got.Error == "" {
			t.Errorf("got %+v, want policy from disk, and why", got)
		}
		rewrite(t, path, toward("a"))
		reaches(t, dial(t, bootstrap(a.Addr().String(), ""), "reviews:80"), "a")
		eventually(t, "the status has the policy of the files", func() bool {
			got := a.Status().Policy
			return !got.Restored && got.Error == ""
		})
	})
	rewrite(t, path, broken)
	t.Run("damaged on disk", func(t *testing.T) {
		rewrite(t, filepath.Join(kept, "policy.json"), `{"Format":1,"Sum":"0","Files":[]}`)
		if _, err := agent.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "policy.yaml:8") {
			t.Errorf("got %v, want the mistake in the files", err)
		}
	})
	cfg.SnapshotDir = ""
	t.Run("nothing is kept", func(t *testing.T) {
		if _, err := agent.Open(t.Context(), cfg); err == nil {
			t.Errorf("got %v, want the mistake in the files", err)
		}
	})
}

// script is a source that says what a test wants.
type script struct {
	mu   sync.Mutex // guards tell
	tell func(map[string][]byte, error)
	up   chan struct{}
}

func newScript() *script { return &script{up: make(chan struct{})} }

func (s *script) Watch(ctx context.Context, tell func(map[string][]byte, error)) error {
	s.mu.Lock()
	s.tell = tell
	s.mu.Unlock()
	close(s.up)
	<-ctx.Done()
	return nil
}

func (s *script) says(text string, err error) {
	<-s.up
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(map[string][]byte{"kv/reviews.yaml": []byte(text)}, err)
}

func TestAgent_waitsForTheSourcesOfPolicy(t *testing.T) {
	registry, source := ab(t), newScript()
	a := start(t, agent.Config{Resolver: registry, Listen: "127.0.0.1:0", PolicySources: []policy.Source{source}})
	if a.Status().Ready {
		t.Error("ready before policy is known: calls would go where it does not want them")
	}
	cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
	cc.Connect()
	eventually(t, "the client is connected", func() bool { return len(a.Status().Clients) == 1 })
	if got := a.Status().Clients[0]; len(got.Resources) != 0 {
		t.Errorf("got %+v, want a client that was told nothing", got)
	}
	source.says(toward("b"), nil)
	reaches(t, cc, "b")
	source.says("", errors.New("the registry is down"))
	eventually(t, "the failure is known", func() bool { return strings.Contains(a.Status().Policy.Error, "registry is down") })
	reaches(t, cc, "b")
	source.says(broken, nil)
	eventually(t, "the load is refused", func() bool { return strings.Contains(a.Status().Policy.Error, "kv/reviews.yaml:8") })
	reaches(t, cc, "b")
}

func TestAgent_startsWithPolicyOfDeadSources(t *testing.T) {
	registry, kept := ab(t), t.TempDir()
	cfg := agent.Config{Resolver: registry, Listen: "127.0.0.1:0", SnapshotDir: kept}
	t.Run("alive", func(t *testing.T) {
		source := newScript()
		cfg.PolicySources = []policy.Source{source}
		a := start(t, cfg)
		source.says(toward("b"), nil)
		reaches(t, dial(t, bootstrap(a.Addr().String(), ""), "reviews:80"), "b")
		eventually(t, "it is on disk", func() bool { _, err := os.Stat(filepath.Join(kept, "policy.json")); return err == nil })
	})
	t.Run("silent", func(t *testing.T) {
		cfg.PolicySources = []policy.Source{newScript()}
		a := start(t, cfg)
		reaches(t, dial(t, bootstrap(a.Addr().String(), ""), "reviews:80"), "b")
		if got := a.Status().Policy; !got.Restored {
			t.Errorf("got %+v, want policy from disk", got)
		}
	})
}

func TestAgent_policyChangesUnderLoad(t *testing.T) {
	ledger.Baseline(t)
	registry, path := ab(t), write(t, toward("a"))
	a := start(t, agent.Config{Resolver: registry, Listen: "127.0.0.1:0", Policies: []string{path}})
	cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
	reaches(t, cc, "a")
	load := ledger.Start(t.Context(), ledger.Config{Call: rpc(cc), Rate: 5 * paced})
	for i := range 10 {
		next := string('a' + rune((i+1)%2))
		rewrite(t, path, toward(next))
		reaches(t, cc, next)
		pause(t, 100*time.Millisecond)
	}
	none(t, "policy changed ten times", load)
	if got := a.Status(); got.Clients[0].Rejected != 0 || got.Policy.Loads != 11 {
		t.Errorf("got %d rejected and %d loads, want 0 and 11", got.Clients[0].Rejected, got.Policy.Loads)
	}
}

// records keeps the messages of a log.
type records struct {
	mu    sync.Mutex
	lines []string
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(p))
	return len(p), nil
}

func (r *records) count(part string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, line := range r.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// Who sees a load in the status finds its policy in force: counted before, a client that came
// then was served the old.
func TestAgent_countsALoadOnceItIsInForce(t *testing.T) {
	path := write(t, toward("a"))
	a := start(t, agent.Config{Resolver: ab(t), Listen: "127.0.0.1:0", Policies: []string{path}})
	set := toward("a")
	for n := 2; n <= 10; n++ {
		set += "---" + strings.Replace(toward("b"), "reviews", fmt.Sprintf("reviews-%d", n), 2)
		rewrite(t, path, set)
		for end := time.Now().Add(time.Minute); ; { // without a pause: the moment between is short
			got := a.Status().Policy
			if got.Loads == uint64(n) {
				if got.Documents != n {
					t.Errorf("load %d is counted while %d documents are in force, want %d", n, got.Documents, n)
				}
				break
			}
			if time.Now().After(end) {
				t.Fatalf("load %d never came: %+v", n, got)
			}
		}
	}
}

func TestAgent_logsVerdictsOncePerChange(t *testing.T) {
	mirrored := strings.Replace(toward("a"), "  - route", "  - mirror: {host: b}\n    route", 1)
	registry, path, log := ab(t), write(t, mirrored), new(records)
	a := start(t, agent.Config{
		Resolver: registry, Listen: "127.0.0.1:0", Policies: []string{path}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if n := log.count("mirror"); n != 0 {
		t.Errorf("%d verdicts while there is no client, want none", n)
	}
	cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
	reaches(t, cc, "a")
	eventually(t, "the verdict is logged", func() bool { return log.count("client=grpc-go") == 1 })
	if log.count("policy.yaml:8") != 1 {
		t.Errorf("got %q, want the line of the mirror once", log.lines)
	}
	if v := a.Status().Verdicts["grpc-go"]; len(v) != 1 || !strings.Contains(v[0], "policy.yaml:8") {
		t.Errorf("the status has %q, want the verdict on the mirror", v)
	}
	rewrite(t, path, mirrored+"# unchanged, but for this\n")
	eventually(t, "the change is applied", func() bool { return a.Status().Policy.Loads == 2 })
	rewrite(t, path, "# one more line\n"+mirrored)
	eventually(t, "the verdict has moved", func() bool { return log.count("policy.yaml:9") == 1 })
	if n := log.count("client=grpc-go"); n != 2 {
		t.Errorf("%d verdicts, want one for each place it was at", n)
	}
}

// A client that comes again is no change: what was noted on its resources is not logged again,
// until policy changes.
func TestAgent_logsNotesOncePerChange(t *testing.T) {
	const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec: {host: a, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}
`
	registry, log := ab(t), new(records)
	path := filepath.Join(t.TempDir(), "p.yaml")
	rewrite(t, path, toward("a")+"---"+rule)
	a := start(t, agent.Config{
		Resolver: registry, Listen: "127.0.0.1:0", Policies: []string{path}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	comes := func() {
		t.Helper()
		cc := dial(t, bootstrap(a.Addr().String(), ""), "reviews:80")
		reaches(t, cc, "a")
		eventually(t, "the note is there", func() bool { return len(a.Status().Notes) == 1 })
		if err := cc.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the client is gone", func() bool { return len(a.Status().Notes) == 0 })
	}
	settled := func() { // what is logged now comes after all that was noted before
		t.Helper()
		before := log.count("probe")
		cc := dial(t, bootstrap(a.Addr().String(), ""), fmt.Sprintf("probe%d:80", before))
		cc.Connect()
		eventually(t, "the log keeps up", func() bool { return log.count("probe") > before })
		_ = cc.Close()
		eventually(t, "the probe is gone", func() bool { return len(a.Status().Notes) == 0 })
	}
	for range 3 {
		comes()
	}
	settled()
	if n := log.count("grpc-go: approximated: outbound|0||a."); n != 1 {
		t.Errorf("three clients came and went, and %d notes are logged, want one: %q", n, log.lines)
	}
	rewrite(t, path, "# one more line\n"+toward("a")+"---"+rule)
	eventually(t, "the change is applied", func() bool { return a.Status().Policy.Loads == 2 })
	for range 2 {
		comes()
	}
	settled()
	if n := log.count("grpc-go: approximated: outbound|0||a."); n != 2 {
		t.Errorf("policy has changed, and %d notes are logged, want one more: %q", n, log.lines)
	}
}
