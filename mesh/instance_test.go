// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// instance is a process of the service "shop" as far as a test needs one: its own mesh,
// an HTTP and a gRPC server, and mesh.Run over both.
type instance struct {
	mesh  *mesh.Mesh
	stop  chan os.Signal
	ended chan struct{}
	err   error // of Run, once ended is closed

	web, rpc string             // where it listens
	endpoint discovery.Endpoint // the same, for a list
	kill     func()             // ends both servers as a crash does

	mu    sync.Mutex // guards steps
	steps []mesh.Step
}

// shop starts an instance whose servers do what work says, and waits until it is
// announced.
func (o *town) shop(work *works, opts ...mesh.RunOption) *instance {
	o.t.Helper()
	n := o.start("shop", work, "127.0.0.1:0", "127.0.0.1:0", mesh.StepRegister, append([]mesh.RunOption{mesh.WithRegistrar(o.registry)}, opts...)...)
	until(o.t, "it is in the registry", func() bool { // which the step has only asked for
		known, _ := o.registry.Lookup(o.t.Context(), "shop") // nobody, if this fails
		return slices.ContainsFunc(known, func(e discovery.Endpoint) bool {
			addrs, _ := e.Address(9080, "http")
			return slices.Contains(addrs, n.web)
		})
	})
	return n
}

// fixedShop starts an instance at addresses, and announces nothing.
func (o *town) fixedShop(work *works, web, rpc string, opts ...mesh.RunOption) *instance {
	o.t.Helper()
	return o.start("shop", work, web, rpc, mesh.StepReady, opts...)
}

// listen opens an address that was perhaps in use a moment ago.
func (o *town) listen(addr string) net.Listener {
	o.t.Helper()
	var l net.Listener
	until(o.t, "listening on "+addr, func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", addr)
		return err == nil
	})
	return l
}

// start starts an instance with the identity of a service, and waits for one of its
// steps.
func (o *town) start(service string, work *works, web, rpc, step string, opts ...mesh.RunOption) *instance {
	o.t.Helper()
	n := &instance{mesh: o.open(service, "v1"), stop: make(chan os.Signal, 2), ended: make(chan struct{})}
	webAt, rpcAt := o.listen(web), o.listen(rpc)
	n.web, n.rpc = webAt.Addr().String(), rpcAt.Addr().String()
	n.endpoint = endpointAt(webAt, rpcAt)
	server := &http.Server{
		Handler: meshhttp.NewHandler(work, n.mesh.Inbound()), TLSConfig: n.mesh.ServerTLS(),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes that are refused on purpose
	}
	calls := grpc.NewServer(meshgrpc.NewServer(n.mesh.Inbound(), meshgrpc.WithTLS(n.mesh.ServerTLS())).Options()...)
	testpb.RegisterTestServiceServer(calls, work)
	n.kill = func() { calls.Stop(); _ = server.Close() }
	reached := make(chan struct{})
	opts = append([]mesh.RunOption{
		mesh.Serving{Server: meshhttp.Graceful(server), Listener: webAt, Protocol: "http", Port: 9080},
		mesh.Serving{Server: meshgrpc.Graceful(calls, n.mesh.Health()), Listener: rpcAt, Protocol: "grpc", Port: 9081},
		mesh.WithStop(n.stop),
		mesh.OnStep(func(s mesh.Step) {
			n.mu.Lock()
			n.steps = append(n.steps, s)
			n.mu.Unlock()
			if s.Name == step {
				close(reached)
			}
		}),
	}, opts...)
	go func() { defer close(n.ended); n.err = mesh.Run(context.Background(), n.mesh, opts...) }()
	o.t.Cleanup(func() {
		select {
		case n.stop <- syscall.SIGTERM:
		default:
		}
		select {
		case n.stop <- syscall.SIGTERM:
		default:
		}
		<-n.ended
	})
	select {
	case <-reached:
	case <-n.ended:
		o.t.Fatalf("Run ended at once: %v", n.err)
	}
	return n
}

// endpointAt is an endpoint of shop that offers HTTP and gRPC.
func endpointAt(web, rpc net.Listener) discovery.Endpoint {
	return discovery.Endpoint{
		Addrs: []string{web.Addr().String()}, Namespace: "default", ServiceAccount: "shop",
		Ports: []discovery.Port{
			{Number: 9080, Target: portOf(web), Protocol: "http"},
			{Number: 9081, Target: portOf(rpc), Protocol: "grpc"},
		},
	}
}

func portOf(l net.Listener) uint16 { return netip.MustParseAddrPort(l.Addr().String()).Port() }

// terminate is SIGTERM and the wait for its end.
func (n *instance) terminate(t *testing.T) {
	t.Helper()
	n.stop <- syscall.SIGTERM
	select {
	case <-n.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("Run has not ended 20 s after SIGTERM")
	}
}

// took is the steps by name, in order.
func (n *instance) took() []mesh.Step {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]mesh.Step(nil), n.steps...)
}

// works is what the instances of shop do, and the count of it: every call has an id, and
// is noted when it begins.
type works struct {
	testpb.UnimplementedTestServiceServer
	slow func(ctx context.Context) // what a call waits for; nil: a millisecond

	mu    sync.Mutex // guards began, cut
	began map[string]int
	cut   int // calls whose context ended under them
}

func newWorks() *works { return &works{began: map[string]int{}} }

func (w *works) begin(ctx context.Context, id string) {
	w.mu.Lock()
	w.began[id]++
	w.mu.Unlock()
	if w.slow != nil {
		w.slow(ctx)
	} else {
		pause(ctx, time.Millisecond)
	}
	if ctx.Err() != nil {
		w.mu.Lock()
		w.cut++
		w.mu.Unlock()
	}
}

func (w *works) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, "body", http.StatusBadRequest)
		return
	}
	w.begin(r.Context(), string(body)+r.URL.RawQuery)
	_, _ = io.WriteString(rw, "done")
}

func (w *works) UnaryCall(ctx context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	w.begin(ctx, string(in.GetPayload().GetBody()))
	return &testpb.SimpleResponse{}, nil
}

// StreamingOutputCall sends ten messages in a tenth of a second.
func (w *works) StreamingOutputCall(in *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
	w.begin(ss.Context(), string(in.GetPayload().GetBody()))
	for range 10 {
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		pause(ss.Context(), 10*time.Millisecond)
	}
	return nil
}

// FullDuplexCall answers each message; the first has the id.
func (w *works) FullDuplexCall(ss testpb.TestService_FullDuplexCallServer) error {
	for first := true; ; first = false {
		in, err := ss.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if first {
			w.begin(ss.Context(), string(in.GetPayload().GetBody()))
		}
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

// twice counts the calls that were begun more than once.
func (w *works) twice() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, times := range w.began {
		if times > 1 {
			n++
		}
	}
	return n
}

// total is how many calls were begun.
func (w *works) total() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.began)
}

func (w *works) wasCut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// pause lets time pass, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
