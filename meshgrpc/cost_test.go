// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"unsafe"

	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

func TestRecords_areBounded(t *testing.T) {
	for name, size := range map[string]uintptr{
		"unary":  unsafe.Sizeof(meshgrpc.UnaryCall{}),
		"stream": unsafe.Sizeof(meshgrpc.StreamCall{}),
		"served": unsafe.Sizeof(meshgrpc.ServedCall{}),
	} {
		t.Logf("%s: %d bytes", name, size)
		if limit := map[string]uintptr{"unary": 640, "stream": 896, "served": 512}[name]; size > limit {
			t.Errorf("the record of a %s call has %d bytes, want at most %d, a size that the allocator has", name, size, limit)
		}
	}
}

// nopGate admits everything.
type nopGate struct{}

func (nopGate) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) { return enmesh.Token{}, nil }
func (nopGate) Done(enmesh.Token, enmesh.Result)                          {}

// traced writes what a trace propagator would, and costs the string of it.
func traced(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		c.Header.Set("traceparent", string(fmt.Append(make([]byte, 0, 64), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")))
		return next(ctx, c)
	}
}

// meshed connects to addr with a chain like that of a whole mesh.
func meshed(t testing.TB, addr string) testpb.TestServiceClient {
	t.Helper()
	g := enmesh.Guard(nopGate{})
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{nopGate{}, nopGate{}} }}
	src.apply("ratings", addr)
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(true, enmesh.Recover(nil), g, retry(3), g, g, traced), src)
	return client
}

func TestUnary_allocations(t *testing.T) {
	addr := serve(t, &service{})
	ctx := context.Background()
	req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 100)}}
	measure := func(client testpb.TestServiceClient) float64 {
		call := func() {
			if _, err := client.UnaryCall(ctx, req); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 {
			call()
		}
		least := 1e9
		for range 5 {
			least = min(least, testing.AllocsPerRun(300, call))
		}
		return least
	}
	without, with := measure(bare(t, addr)), measure(meshed(t, addr))
	t.Logf("bare %.0f, through the mesh %.0f allocations a call, both sides", without, with)
	if with > without+8 && !raceEnabled { // the race detector allocates
		t.Errorf("the mesh adds %.0f allocations to a call, want at most 8", with-without)
	}
}

func BenchmarkUnary(b *testing.B) {
	addr := serve(b, &service{})
	_, servedAddr := enmesh.Fixed(false), serve(b, &service{}, meshgrpc.NewServer(enmesh.Fixed(false, enmesh.Recover(nil), enmesh.Guard(nopGate{}))).Options()...)
	for _, c := range []int{16, 128} {
		for _, bench := range []struct {
			name   string
			client testpb.TestServiceClient
		}{{"bare", bare(b, addr)}, {"mesh", meshed(b, addr)}, {"both", meshed(b, servedAddr)}} {
			b.Run(fmt.Sprintf("c=%d/%s", c, bench.name), func(b *testing.B) {
				req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 100)}}
				b.ReportAllocs()
				var wg sync.WaitGroup
				for i := range c {
					wg.Go(func() {
						for n := i; n < b.N; n += c {
							if _, err := bench.client.UnaryCall(context.Background(), req); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

func BenchmarkServerStream(b *testing.B) {
	addr := serve(b, &service{})
	src := &clusters{}
	src.apply("ratings", addr)
	_, inline := dial(b, "enmesh:///ratings", enmesh.Fixed(false), src)
	_, beside := dial(b, "enmesh:///ratings", enmesh.Fixed(true), src)
	for _, bench := range []struct {
		name   string
		client testpb.TestServiceClient
	}{{"bare", bare(b, addr)}, {"inline", inline}, {"beside", beside}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := bench.client.StreamingOutputCall(context.Background(), &testpb.StreamingOutputCallRequest{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Recv(); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Recv(); !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		})
	}
}
