// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh/discovery"
)

// The methods of gRPC's own cases. Every method does the same: what comes goes back.
const (
	unary = "/grpc.testing.TestService/UnaryCall"
	empty = "/grpc.testing.TestService/EmptyCall"
	full  = "/grpc.testing.TestService/FullDuplexCall"
)

// behaviour is how calls are answered: as their headers ask.
//
//	fail: 14         with this code
//	fail-until: 2    UNAVAILABLE while fewer attempts went before
//	sleep: 100       after so many milliseconds, or when the caller gave up
//	hold: x          when the test says so
type behaviour struct {
	name string
	gate chan struct{} // closed when calls that are held may go on

	mu     sync.Mutex // guards what follows
	calls  int
	held   int
	stuck  int // of the next calls
	broken bool
	load   float64 // that every answer reports; 0: none does
}

func (b *behaviour) answer(_ any, s grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	b.mu.Lock()
	b.calls++
	broken, stuck, load := b.broken, b.stuck > 0, b.load
	if stuck {
		b.stuck--
	}
	b.mu.Unlock()
	if stuck {
		<-s.Context().Done()
		return s.Context().Err()
	}
	if broken {
		return status.Error(codes.Unavailable, b.name+" is broken")
	}
	if err := b.asked(s, md); err != nil {
		return err // without headers: after them there is no retry
	}
	if r := orca.CallMetricsRecorderFromContext(s.Context()); r != nil && load > 0 {
		r.SetApplicationUtilization(load)
		r.SetQPS(100)
	}
	if err := s.SetHeader(metadata.Pairs("who", b.name)); err != nil {
		return err
	}
	for {
		var m []byte
		if err := s.RecvMsg(&m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := s.SendMsg(&m); err != nil {
			return err
		}
	}
}

// asked does what the headers of a call ask for.
func (b *behaviour) asked(s grpc.ServerStream, md metadata.MD) error {
	number := func(key string) int {
		if v := md.Get(key); len(v) > 0 {
			n, _ := strconv.Atoi(v[0])
			return n
		}
		return 0
	}
	code := codes.Code(number("fail"))
	if number("fail-until") > number("grpc-previous-rpc-attempts") {
		code = codes.Unavailable
	}
	if code != codes.OK {
		// As a unary server does, it reads first. A grpc-go client that is told of the failure
		// while it still writes reports a success for it; one that has no attempt left gives
		// UNKNOWN and an EOF.
		if err := s.RecvMsg(new([]byte)); err != nil {
			return err
		}
		return status.Error(code, b.name+" fails as asked")
	}
	if ms := number("sleep"); ms > 0 {
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
	if len(md.Get("hold")) > 0 {
		b.count(1)
		defer b.count(-1)
		select {
		case <-b.gate:
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
	return nil
}

func (b *behaviour) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held += n
}

// holds is how many calls are held.
func (b *behaviour) holds() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// called is how many attempts came.
func (b *behaviour) called() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// fail has all calls fail from now on, or none.
func (b *behaviour) fail(broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = broken
}

// stall has the next n calls hang until their callers give up.
func (b *behaviour) stall(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stuck = n
}

// reports has every answer say how busy the instance is.
func (b *behaviour) reports(load float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.load = load
}

// backend is a server of grpc-go that knows nothing of xDS.
type backend struct {
	behaviour
	t    testing.TB
	addr string
	stop func()
}

func serve(t testing.TB, name string) *backend {
	t.Helper()
	b := &backend{behaviour: behaviour{name: name, gate: make(chan struct{})}, t: t, addr: "127.0.0.1:0"}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start listens, where it listened before.
func (b *backend) start() {
	b.t.Helper()
	l, err := net.Listen("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.addr = l.Addr().String()
	s := grpc.NewServer(grpc.UnknownServiceHandler(b.answer), grpc.ForceServerCodec(raw{}), orca.CallMetricsServerOption(nil))
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	b.stop = sync.OnceFunc(func() { s.Stop(); <-done })
}

// at is the backend as an instance.
func (b *backend) at(labels ...string) discovery.Endpoint {
	e := discovery.Endpoint{Addrs: []string{b.addr}, Labels: map[string]string{}}
	for i := 0; i+1 < len(labels); i += 2 {
		e.Labels[labels[i]] = labels[i+1]
	}
	return e
}

// in is the backend in a zone.
func (b *backend) in(zone string) discovery.Endpoint {
	e := b.at()
	e.Locality = discovery.Locality{Region: "eu", Zone: zone}
	return e
}
