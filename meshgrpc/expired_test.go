// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// R12: a call whose time is over when its turn comes, say after it was queued, does not reach
// the handler.
func TestServer_doesNotBeginWhatHasExpired(t *testing.T) {
	var begun atomic.Int64
	queue := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			<-ctx.Done()
			return next(ctx, c)
		}
	}
	ended := make(chan *enmesh.Error, 1)
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			ended <- enmesh.ErrorOf(err)
			return err
		}
	}
	addr := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		begun.Add(1)
		return &testpb.SimpleResponse{}, nil
	}}, meshgrpc.NewServer(enmesh.Fixed(false, look, queue)).Options()...)
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	_, err := bare(t, addr).UnaryCall(ctx, &testpb.SimpleRequest{})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	if e := <-ended; e == nil || e.Outcome != enmesh.Neutral {
		t.Errorf("the chain ends with %v, want what is the caller's own", e)
	}
	if begun.Load() != 0 {
		t.Error("the handler has run for nobody")
	}
}
