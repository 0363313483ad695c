// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// talker streams a few messages, and then says nothing for as long as it may.
type talker struct {
	testpb.UnimplementedTestServiceServer
	heard chan error // how the silent caller's stream ended for the handler
}

// pieces are sent with less than the limit between.
const pieces = 5

func (talker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for range pieces {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-time.After(100 * time.Millisecond)
	}
	<-r.Context().Done()
}

func (talker) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	for range pieces {
		if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
	<-s.Context().Done()
	return s.Context().Err()
}

func (k talker) FullDuplexCall(s grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	for {
		if _, err := s.Recv(); err != nil {
			k.heard <- err
			return err
		}
	}
}

func idleLimit(t *testing.T) enmesh.Middleware {
	t.Helper()
	m, err := timeout.Idle(timeout.IdleConfig{Limit: 400 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A stream that falls silent is ended by its client after the limit and not before, over both
// protocols; and a server ends one whose client is silent, although its handler waits for a message.
func TestScenario_silentStreamsAreEnded(t *testing.T) {
	ledger.Baseline(t)
	k := talker{heard: make(chan error, 1)}
	wl, plain, limited := loopback(t), loopback(t), loopback(t)
	server := &http.Server{Handler: k, ReadHeaderTimeout: time.Minute}
	patient := grpc.NewServer(meshgrpc.NewServer(enmesh.Fixed(false)).Options()...)
	testpb.RegisterTestServiceServer(patient, k)
	strict := grpc.NewServer(meshgrpc.NewServer(enmesh.Fixed(false, idleLimit(t))).Options()...)
	testpb.RegisterTestServiceServer(strict, k)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(wl) })
	serving.Go(func() { _ = patient.Serve(plain) })
	serving.Go(func() { _ = strict.Serve(limited) })
	t.Cleanup(func() { _ = server.Close(); patient.Stop(); strict.Stop(); serving.Wait() })

	t.Run("HTTP", func(t *testing.T) {
		w := newTown(t, balance.ConnectionConfig{}, wl.Addr().String())
		w.chain = []enmesh.Middleware{idleLimit(t)}
		resp, err := w.client(false).Get("http://" + shop + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		begun := time.Now()
		text, err := io.ReadAll(resp.Body)
		if len(text) != pieces || err == nil {
			t.Errorf("%d pieces came, and then %v; want %d and an error", len(text), err, pieces)
		}
		if took := time.Since(begun); took < 700*time.Millisecond || took > 10*time.Second {
			t.Errorf("it ended after %v", took)
		}
		t.Logf("HTTP: %v", err)
	})
	for name, resends := range map[string]bool{"gRPC": false, "gRPC, beside the caller": true} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, balance.ConnectionConfig{}, plain.Addr().String())
			w.chain, w.resends = []enmesh.Middleware{idleLimit(t)}, resends
			cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(w.router(), w).DialOptions()...)
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			s, err := testpb.NewTestServiceClient(cc).StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for ; err == nil; n++ {
				_, err = s.Recv()
			}
			if n-1 != pieces || !errors.Is(err, timeout.ErrIdle) || status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("%d messages came, and then %v; want %d and ErrIdle", n-1, err, pieces)
			}
		})
	}
	t.Run("a gRPC server", func(t *testing.T) {
		w := newTown(t, balance.ConnectionConfig{}, limited.Addr().String())
		cc, err := grpc.NewClient("enmesh:///"+shop, meshgrpc.NewClient(w.router(), w).DialOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		s, err := testpb.NewTestServiceClient(cc).FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range pieces {
			if err := s.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
				t.Fatal(err)
			}
			<-time.After(100 * time.Millisecond)
		}
		if _, err := s.Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("the silent client gets %v", err)
		}
		if err := <-k.heard; !errors.Is(err, timeout.ErrIdle) {
			t.Errorf("the handler gets %v, want ErrIdle", err)
		}
		answer, err := testpb.NewTestServiceClient(cc).StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = answer.Recv()
		}
		if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), timeout.ErrIdle.Error()) {
			t.Errorf("who listens to a handler that has fallen silent gets %v, want the reason", err)
		}
	})
}
