// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

const duplex = "/" + svc + "/FullDuplexCall"

// busy counts handlers that run at once, and holds them until it is let go. They do not
// heed that their caller has left.
type busy struct {
	now, most, ran atomic.Int64
	leave          chan struct{}
}

func (b *busy) handle(testpb.TestService_FullDuplexCallServer) error {
	n := b.now.Add(1)
	was := b.most.Load()
	for n > was && !b.most.CompareAndSwap(was, n) {
		was = b.most.Load()
	}
	b.ran.Add(1)
	<-b.leave
	b.now.Add(-1)
	return nil
}

// CVE-2023-39325: handlers of requests that were reset did not count against the limit on
// streams, so that one connection had any number of them running.
func TestCVE_2023_39325_handlersOfResetCalls(t *testing.T) {
	const most, calls = 10, 500
	b := &busy{leave: make(chan struct{})}
	addr := serve(t, &service{duplex: b.handle}, meshgrpc.NewServer(enmesh.Fixed(false),
		meshgrpc.WithMaxStreams(most), meshgrpc.WithFloodLimit(0, -1)).Options()...)
	letGo := sync.OnceFunc(func() { close(b.leave) })
	t.Cleanup(letGo) // the server waits for its handlers
	c := newSlowClient(t, addr)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := range uint32(calls) {
		c.begin(2*n+1, duplex, nil, false)
		for end := time.Now().Add(20 * time.Second); n < most && b.now.Load() <= int64(n); <-tick.C {
			if time.Now().After(end) {
				t.Fatalf("call %d: its handler does not run", n)
			}
		}
		_ = c.fr.WriteRSTStream(2*n+1, http2.ErrCodeCancel)
	}
	letGo()
	c.settled()
	if got := b.most.Load(); got > most {
		t.Errorf("%d handlers ran at once, want at most %d", got, most)
	}
	t.Logf("of %d calls that were reset %d had their handler run", calls, b.ran.Load())
}

// GHSA-hrxh-6v49-42gf: calls that a client reset passed by what slows down one that makes a
// server answer and does not read. The connection ends, though the client never reads.
func TestGHSA_hrxh_6v49_42gf_resetsOfAClientThatDoesNotRead(t *testing.T) {
	ended := make(chan string, 1)
	addr := serve(t, &service{}, meshgrpc.NewServer(enmesh.Fixed(false), meshgrpc.WithFloodLimit(10, 100),
		meshgrpc.WithFloodHook(func(_ net.Conn, what string) { ended <- what })).Options()...)
	c := newSlowClient(t, addr)
	id := uint32(1)
	for ; ; id += 2 {
		err := c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(protected), EndHeaders: true})
		if err == nil {
			err = c.fr.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		if err != nil || id > 1<<20 {
			break
		}
	}
	select {
	case what := <-ended:
		t.Logf("ended after %d calls for %s", id/2, what)
	default:
		t.Errorf("%d calls were reset, and the server has not ended the connection", id/2)
	}
}
