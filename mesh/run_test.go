// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// quick is a Timing for tests that are not about time.
var quick = mesh.WithTiming(mesh.Timing{Propagation: time.Second, Margin: time.Millisecond, Hint: -1, Drain: 5 * time.Second})

// fake is a Server that serves nothing, until it is shut down or told to fail.
type fake struct {
	failure chan error
	once    sync.Once
	done    chan struct{}
}

func newFake() *fake { return &fake{failure: make(chan error, 1), done: make(chan struct{})} }

func (f *fake) Serve(l net.Listener) error {
	defer l.Close()
	select {
	case err := <-f.failure:
		return err
	case <-f.done:
		return http.ErrServerClosed
	}
}

func (f *fake) Shutdown(context.Context) error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// lone is the mesh of a service that nobody calls.
func lone(t *testing.T, opts ...mesh.Option) *mesh.Mesh {
	t.Helper()
	m, err := mesh.Open(t.Context(), append([]mesh.Option{mesh.WithWorkload(mesh.Workload{Service: "shop", Version: "v2"})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// freeAddr is an address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask is the status and the text of an answer.
func ask(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(body))
}

// TestRun_healthTellsTheTruth: over HTTP and gRPC, and in the registry, at every step.
func TestRun_healthTellsTheTruth(t *testing.T) {
	registry := discovery.NewMemory()
	m := lone(t, mesh.WithResolver(registry))
	at, rpcAddr := freeAddr(t), freeAddr(t)
	rpc := grpc.NewServer(meshgrpc.NewServer(m.Inbound()).Options()...)
	cc, err := grpc.NewClient(rpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	var got []string
	look := func(s mesh.Step) {
		code, text := ask(t, "http://"+at+"/readyz")
		alive, _ := ask(t, "http://"+at+"/healthz")
		says := "-"
		if s.Name != mesh.StepListen && s.Name != mesh.StepDrain && s.Name != mesh.StepExit {
			res, err := grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
			says = fmt.Sprint(res.GetStatus(), err)
		}
		got = append(got, fmt.Sprintf("%s: %d %s, alive %d, grpc %s", s.Name, code, text, alive, says))
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = mesh.Run(ctx, m, quick, mesh.WithHealth(at), mesh.WithRegistrar(registry), mesh.WithSignals(),
		mesh.Serving{Server: meshgrpc.Graceful(rpc, m.Health()), Addr: rpcAddr, Protocol: "grpc"},
		mesh.OnStep(look),
		mesh.OnStep(func(s mesh.Step) {
			if s.Name == mesh.StepRegister {
				cancel()
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"listen: 503 starting, alive 200, grpc -",
		"ready: 200 ready, alive 200, grpc SERVING <nil>",
		"register: 200 ready, alive 200, grpc SERVING <nil>",
		"stop: 200 ready, alive 200, grpc SERVING <nil>",
		"not ready: 503 leaving, alive 200, grpc NOT_SERVING <nil>",
		"deregister: 503 leaving, alive 200, grpc NOT_SERVING <nil>",
		"propagated: 503 leaving, alive 200, grpc NOT_SERVING <nil>",
		"hint: 503 leaving, alive 200, grpc NOT_SERVING <nil>",
		"drain: 503 draining, alive 200, grpc -",
		"exit: 503 stopped, alive 200, grpc -",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// TestRun_announcesAllItsPorts: the instance has what the workload says, and a port for
// each server.
func TestRun_announcesAllItsPorts(t *testing.T) {
	registry := discovery.NewMemory()
	m := lone(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- mesh.Run(ctx, m, quick, mesh.WithRegistrar(registry), mesh.WithSignals(),
			mesh.Serving{Server: newFake(), Protocol: "http", Port: 9080}, mesh.Serving{Server: newFake(), Protocol: "grpc"})
	}()
	var got discovery.Endpoint
	for set, err := range registry.Watch(t.Context(), "shop") {
		if err == nil && len(set) == 1 {
			got = set[0]
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(got.Ports) != 2 || got.Ports[0].Number != 9080 || got.Ports[1].Number != got.Ports[1].Target || got.Ports[1].Protocol != "grpc" ||
		got.Version != "v2" || got.ServiceAccount != "shop" || got.Namespace != "default" || !strings.HasPrefix(got.Addrs[0], "127.0.0.1:") {
		t.Errorf("announced %+v", got)
	}
	for set, err := range registry.Watch(t.Context(), "shop") {
		if err == nil && len(set) > 0 {
			t.Errorf("still announced after the end: %v", set)
		}
		break
	}
}

// TestRun_waitsAsLongAsItSees: the wait after deregistration follows what the mesh's own
// resolver shows, and is bounded where that shows nothing.
func TestRun_waitsAsLongAsItSees(t *testing.T) {
	memory := discovery.NewMemory()
	for _, tt := range []struct {
		name     string
		resolver discovery.Resolver
		min, max time.Duration
	}{
		{"seen after 200 ms, and as long again", memory, 380 * time.Millisecond, 900 * time.Millisecond},
		{"never seen", discovery.NewStatic(nil), 990 * time.Millisecond, 1500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := lone(t, mesh.WithResolver(tt.resolver))
			ctx, cancel := context.WithCancel(t.Context())
			var stop, propagated time.Time
			err := mesh.Run(ctx, m, mesh.WithRegistrar(ttl{memory, 200 * time.Millisecond}), mesh.WithSignals(),
				mesh.WithTiming(mesh.Timing{Propagation: time.Second, Margin: time.Millisecond, Hint: -1}),
				mesh.Serving{Server: newFake()},
				mesh.OnStep(func(s mesh.Step) {
					switch s.Name {
					case mesh.StepRegister:
						go func() {
							until(t, "it is announced", func() bool { return listed(t, memory) })
							cancel()
						}()
					case mesh.StepNotReady:
						stop = s.At
					case mesh.StepPropagated:
						propagated = s.At
					}
				}))
			if err != nil {
				t.Error(err)
			}
			if took := propagated.Sub(stop); took < tt.min || took > tt.max {
				t.Errorf("the wait took %v, want between %v and %v", took, tt.min, tt.max)
			}
		})
	}
}

// listed reports whether shop has an instance.
func listed(t *testing.T, r discovery.Resolver) bool {
	t.Helper()
	for set, err := range r.Watch(t.Context(), "shop") {
		return err == nil && len(set) > 0
	}
	return false
}

// refuser is a Registrar that does not register.
type refuser struct{}

func (refuser) Register(context.Context, discovery.Instance) error { return errors.New("no") }

func TestRun_saysWhyItEnded(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	failing := newFake()
	failing.failure <- errors.New("out of luck")
	for _, tt := range []struct {
		name string
		opts []mesh.RunOption
		want string
	}{
		{"nothing to serve", nil, "nothing to serve"},
		{"no server", []mesh.RunOption{mesh.Serving{Name: "web"}}, `Serving 0 ("web") has no Server`},
		{"an address that is taken", []mesh.RunOption{mesh.Serving{Server: newFake(), Addr: taken.Addr().String(), Name: "web"}}, `listening for "web"`},
		{"a server that fails", []mesh.RunOption{mesh.Serving{Server: failing, Name: "web"}}, "out of luck"},
		{"a registrar that refuses", []mesh.RunOption{mesh.Serving{Server: newFake()}, mesh.WithRegistrar(refuser{})}, "registering \"shop-"},
		{"status for everybody", []mesh.RunOption{mesh.Serving{Server: newFake()}, mesh.WithStatus("0.0.0.0:0")}, "loopback address only"},
		{"health at an address that is taken", []mesh.RunOption{mesh.Serving{Server: newFake()}, mesh.WithHealth(taken.Addr().String())}, "health and status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := mesh.Run(t.Context(), lone(t), append(tt.opts, quick)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "mesh: ") {
				t.Errorf("got %v, want mesh: ... %s", err, tt.want)
			}
		})
	}
}

func TestRun_onceForAMesh(t *testing.T) {
	m := lone(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := mesh.Run(ctx, m, quick, mesh.Serving{Server: newFake()}); err != nil {
		t.Error(err)
	}
	if err := mesh.Run(ctx, m, quick, mesh.Serving{Server: newFake()}); err == nil {
		t.Error("a second Run on the same mesh was accepted")
	}
}

// TestRun_endsAtSIGTERM: the process's own signal, handled while Run runs.
func TestRun_endsAtSIGTERM(t *testing.T) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	err = mesh.Run(t.Context(), lone(t), quick, mesh.Serving{Server: newFake()}, mesh.OnStep(func(s mesh.Step) {
		if s.Name == mesh.StepReady {
			if err := self.Signal(syscall.SIGTERM); err != nil {
				t.Skipf("no signals here: %v", err)
			}
		}
	}))
	if err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestRun_status(t *testing.T) {
	m := lone(t)
	at := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := mesh.Run(ctx, m, quick, mesh.WithSignals(), mesh.WithStatus(at),
		mesh.Serving{Server: meshhttp.Graceful(&http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second})},
		mesh.OnStep(func(s mesh.Step) {
			if s.Name != mesh.StepReady {
				return
			}
			defer cancel()
			code, text := ask(t, "http://"+at+"/status")
			var got struct {
				Service, Phase string
				Ready          bool
				Services       []any
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil || code != 200 || got.Service != "shop" || got.Phase != "ready" || !got.Ready || got.Services == nil {
				t.Errorf("status %d %v: %s", code, err, text)
			}
			if code, text := ask(t, "http://"+at+"/metrics"); code != 200 || !strings.Contains(text, "enmesh_policy_loads_total") {
				t.Errorf("metrics: status %d", code)
			}
			for page, want := range map[string]string{
				"/explain?host=nobody": `"flag": "NR"`, "/explain?host=nobody&format=text": "404 NR", "/decisions": "{}",
			} {
				if code, text := ask(t, "http://"+at+page); code != 200 || !strings.Contains(text, want) {
					t.Errorf("%s: status %d: %s", page, code, text)
				}
			}
			m.Health().SetFit(false)
			if code, text := ask(t, "http://"+at+"/readyz"); code != 503 || text != "unfit" {
				t.Errorf("not fit: %d %s", code, text)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/status", http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			req.Host = "attacker.example"
			res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("by another name: status %d, want 403", res.StatusCode)
			}
		}))
	if err != nil {
		t.Error(err)
	}
}
