// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// pipeNet is a network of net.Pipe, for a bubble: real sockets stall one.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}

	mu   sync.Mutex
	ends []*freezable
}

func newPipeNet() *pipeNet { return &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { close(p.done); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipeNet) dial(ctx context.Context, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	end := &freezable{Conn: near}
	p.mu.Lock()
	end.stop = make(chan struct{})
	p.ends = append(p.ends, end)
	p.mu.Unlock()
	select {
	case p.conns <- far:
		return end, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// freeze has nothing come through any more, in either direction, on the connections that
// there are.
func (p *pipeNet) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.ends {
		close(e.stop)
	}
	p.ends = nil
}

// freezable is a connection that may die without a word: then what is written vanishes,
// and nothing comes until it is closed.
type freezable struct {
	net.Conn
	stop   chan struct{}
	once   sync.Once
	closed chan struct{}
	mu     sync.Mutex
}

func (f *freezable) ended() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed == nil {
		f.closed = make(chan struct{})
	}
	return f.closed
}

func (f *freezable) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	select {
	case <-f.stop:
		<-f.ended()
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (f *freezable) Write(p []byte) (int, error) {
	select {
	case <-f.stop:
		return len(p), nil
	default:
		return f.Conn.Write(p)
	}
}

func (f *freezable) Close() error {
	f.once.Do(func() { close(f.ended()) })
	return f.Conn.Close()
}

// silentCall opens a stream that the server says nothing on, over a pipe, to a server with
// opts; end says how it ended.
func silentCall(t *testing.T, client []meshgrpc.ClientOption, server []grpc.ServerOption) (network *pipeNet, end func() (error, bool)) {
	t.Helper()
	return silentCallUnder(t, balance.ConnectionConfig{}, client, server)
}

// silentCallUnder is silentCall where policy says how endpoints are connected to.
func silentCallUnder(t *testing.T, policy balance.ConnectionConfig, client []meshgrpc.ClientOption, server []grpc.ServerOption) (network *pipeNet, end func() (error, bool)) {
	t.Helper()
	network = newPipeNet()
	over := make(chan struct{})
	s := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		<-over
		return ss.Context().Err()
	}}
	serveOn(t, network, s, server...)
	src := &clusters{connection: policy}
	src.apply("svc", "10.0.0.1:80")
	opts := append(meshgrpc.NewClient(enmesh.Fixed(false), src, client...).DialOptions(), grpc.WithContextDialer(network.dial))
	cc, err := grpc.NewClient("enmesh:///svc", opts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { close(over); cancel(); _ = cc.Close() })
	ss, err := testpb.NewTestServiceClient(cc).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := ss.Recv()
		ended <- err
	}()
	return network, func() (error, bool) {
		synctest.Wait()
		select {
		case err := <-ended:
			return err, true
		default:
			return nil, false
		}
	}
}

// TestPulse_findsADeadPeer: nothing comes through any more, and no end is heard of. On a
// server of any kind that is found out within 15 s while a call waits; on one of this
// package however long the call has been silent.
func TestPulse_findsADeadPeer(t *testing.T) {
	ours := meshgrpc.NewServer(enmesh.Fixed(false)).Options()
	for name, tt := range map[string]struct {
		server []grpc.ServerOption
		silent time.Duration // before the death
		found  time.Duration // at most, after it
	}{
		"our server, at once":             {ours, 0, 15 * time.Second},
		"our server, after an hour":       {ours, time.Hour, 15 * time.Second},
		"a foreign server, at once":       {nil, 0, 15 * time.Second},
		"a foreign server, after 5 s":     {nil, 5 * time.Second, 15 * time.Second},
		"a foreign server, after 11 s":    {nil, 11 * time.Second, 15 * time.Second},
		"a foreign server, after 21 s":    {nil, 21 * time.Second, 320 * time.Second}, // when it stands the next ping
		"a foreign server, after an hour": {nil, time.Hour, 320 * time.Second},
		"our server, after ten seconds":   {ours, 10 * time.Second, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, end := silentCall(t, nil, tt.server)
				time.Sleep(tt.silent)
				if err, ended := end(); ended {
					t.Fatalf("ended before the death: %v", err)
				}
				network.freeze()
				died := time.Now()
				for {
					if err, ended := end(); ended {
						if status.Code(err) != codes.Unavailable {
							t.Errorf("got %v, want Unavailable", err)
						}
						break
					}
					time.Sleep(100 * time.Millisecond)
					if time.Since(died) > time.Hour {
						t.Fatal("not found in an hour")
					}
				}
				t.Logf("found after %v", time.Since(died))
				if got := time.Since(died); got > tt.found+200*time.Millisecond {
					t.Errorf("found after %v, want %v", got, tt.found)
				}
			})
		})
	}
}

// TestPulse_asItIsTold: policy says when a silent connection is asked, and how long the answer
// may take, else the program does.
func TestPulse_asItIsTold(t *testing.T) {
	pings := func(interval, timeout time.Duration) balance.ConnectionConfig {
		return balance.ConnectionConfig{PingInterval: interval, PingTimeout: timeout}
	}
	for name, tt := range map[string]struct {
		policy, program balance.ConnectionConfig
		found           time.Duration
	}{
		"nobody says":             {found: 15 * time.Second},
		"policy says":             {policy: pings(2*time.Second, time.Second), found: 3 * time.Second},
		"policy says one of them": {policy: pings(0, time.Second), found: 11 * time.Second},
		"the program says":        {program: pings(4*time.Second, 3*time.Second), found: 7 * time.Second},
		"both say":                {policy: pings(2*time.Second, 0), program: pings(4*time.Second, 3*time.Second), found: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, end := silentCallUnder(t, tt.policy, []meshgrpc.ClientOption{meshgrpc.WithConnection(tt.program)}, nil)
				network.freeze()
				time.Sleep(tt.found - 200*time.Millisecond)
				if err, ended := end(); ended {
					t.Fatalf("ended before %v: %v", tt.found, err)
				}
				time.Sleep(400 * time.Millisecond)
				if _, ended := end(); !ended {
					t.Errorf("not found in %v", tt.found)
				}
			})
		})
	}
}

// TestPulse_foreignServersStandIt: grpc's own keepalive of the same interval is closed by
// a server with grpc's defaults, calls and all, after 40 s; this package's pings are not,
// over hours.
func TestPulse_foreignServersStandIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, end := silentCall(t, nil, nil)
		for range 180 {
			time.Sleep(time.Minute)
			if err, ended := end(); ended {
				t.Fatalf("the server has ended the call: %v", err)
			}
		}
	})
	t.Run("grpc's own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, end := silentCall(t, []meshgrpc.ClientOption{
				meshgrpc.WithKeepalive(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
			}, nil)
			time.Sleep(time.Minute)
			if _, ended := end(); !ended {
				t.Error("a foreign server stands grpc's own pings: the package's are not needed")
			}
		})
	})
}
