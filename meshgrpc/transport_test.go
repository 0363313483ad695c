// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// rawServer speaks HTTP/2 as far as a test needs: it lets react answer each stream's
// headers, and ends the connection when react says so. acked hears of answers to pings.
func rawServer(t *testing.T, react func(fr *http2.Framer, stream uint32) (goOn bool), acked ...func()) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			serveRaw(conn, react, acked)
		}
	}()
	t.Cleanup(func() { _ = lis.Close(); <-done })
	return lis.Addr().String()
}

func serveRaw(conn net.Conn, react func(*http2.Framer, uint32) bool, acked []func()) {
	defer func() { _ = conn.Close() }()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(conn, conn)
	if fr.WriteSettings() != nil {
		return
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			for _, f := range acked {
				f()
			}
		case *http2.HeadersFrame:
			if !react(fr, f.StreamID) {
				return
			}
		}
	}
}

// What grpc's transport says of a stream decides whether the application can have seen
// it.
func TestTransport_unsentOrNot(t *testing.T) {
	tests := []struct {
		name    string
		react   func(*http2.Framer, uint32) bool
		unsent  bool
		flag    enmesh.Flag
		code    codes.Code
		outcome enmesh.Outcome
	}{
		{"refused stream", func(fr *http2.Framer, id uint32) bool {
			return fr.WriteRSTStream(id, http2.ErrCodeRefusedStream) == nil
		}, true, enmesh.FlagConnectFailure, codes.Unavailable, enmesh.Failure},
		{"left behind a GOAWAY", func(fr *http2.Framer, _ uint32) bool {
			return fr.WriteGoAway(0, http2.ErrCodeNo, nil) == nil
		}, true, "", codes.Unavailable, enmesh.Neutral},
		{"connection cut", func(*http2.Framer, uint32) bool {
			return false
		}, false, enmesh.FlagConnectionEnded, codes.Unavailable, enmesh.Failure},
		{"reset by the application", func(fr *http2.Framer, id uint32) bool {
			return fr.WriteRSTStream(id, http2.ErrCodeInternal) == nil
		}, false, "", codes.Internal, enmesh.Failure},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate := &enmeshtest.Gate{}
			src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
			src.apply("ratings", rawServer(t, tt.react))
			route, call, attempt := witness()
			_, client := dial(t, "enmesh:///ratings", route(false), src)
			for _, do := range []func() error{
				func() error { _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); return err },
				func() error {
					s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
					if err != nil {
						return err
					}
					return drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse))
				},
			} {
				before := len(call.Results())
				err := do()
				if status.Code(err) != tt.code {
					t.Errorf("outside: %v, want %v", err, tt.code)
				}
				settled(t, call, attempt, gate)
				eventually(t, "the call has ended", func() bool { return len(call.Results()) > before })
				r := call.Results()[before]
				e := enmesh.ErrorOf(r.Err)
				if e == nil || e.Unsent != tt.unsent || e.Flag != tt.flag || e.Outcome != tt.outcome {
					t.Errorf("inside: %+v, want unsent %v, flag %q, %v", e, tt.unsent, tt.flag, tt.outcome)
				}
			}
		})
	}
}

// lateWriter holds up grpc between the head and the message of every so manieth stream until
// the far side's answer to the head has been read: it pings behind it (see answered).
type lateWriter struct {
	every int32
	heads atomic.Int32
	read  chan struct{}
}

func newLateWriter(every int32) *lateWriter {
	return &lateWriter{every: every, read: make(chan struct{}, 16)}
}

func (*lateWriter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*lateWriter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*lateWriter) HandleConn(context.Context, stats.ConnStats)                       {}

func (w *lateWriter) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); !ok || w.heads.Add(1)%w.every != 0 {
		return
	}
	for range w.every { // the answer to this stream's head, and those to the ones before
		select {
		case <-w.read:
		case <-ctx.Done():
		}
	}
}

// answered is react with a ping behind each answer.
func (w *lateWriter) answered(react func(*http2.Framer, uint32) error) func(*http2.Framer, uint32) bool {
	return func(fr *http2.Framer, id uint32) bool {
		return react(fr, id) == nil && fr.WritePing(false, [8]byte{}) == nil
	}
}

// acked hears that the client has read so far.
func (w *lateWriter) acked() { w.read <- struct{}{} }

// A stream that the far side refuses, and that grpc sends again by itself, may be refused
// again before its message is written: grpc then ends the call with io.EOF, which for a
// stream is success. The call has failed, and the application has seen none of it.
func TestTransport_refusedBeforeTheRequestIsWritten(t *testing.T) {
	for _, resend := range []bool{false, true} {
		t.Run(fmt.Sprintf("resend %v", resend), func(t *testing.T) {
			gate := &enmeshtest.Gate{}
			src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
			late := newLateWriter(2)
			src.apply("ratings", rawServer(t, late.answered(func(fr *http2.Framer, id uint32) error {
				return fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
			}), late.acked))
			route, call, attempt := witness()
			_, client := dial(t, "enmesh:///ratings", route(resend), src, grpc.WithStatsHandler(late))
			for name, do := range map[string]func() error{
				"unary": func() error { _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); return err },
				"server streaming": func() error {
					s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
					if err != nil {
						return err
					}
					return drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse))
				},
			} {
				before := len(call.Results())
				if err := do(); status.Code(err) != codes.Unavailable {
					t.Errorf("%s: outside: %v, want Unavailable", name, err)
				}
				settled(t, call, attempt, gate)
				eventually(t, "the call has ended", func() bool { return len(call.Results()) > before })
				r := call.Results()[before]
				if e := enmesh.ErrorOf(r.Err); e == nil || !e.Unsent || e.Flag != enmesh.FlagConnectFailure || e.Outcome != enmesh.Failure {
					t.Errorf("%s: inside: %+v, want it unsent, and a failure", name, e)
				}
			}
		})
	}
}

// Where the stream that grpc sends again by itself is ended with OK before the message is
// written, grpc reads no answer, and tells it by a bare io.EOF. The call has failed, and may
// have been served.
func TestTransport_endedBeforeTheRequestIsWritten(t *testing.T) {
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	late := newLateWriter(2)
	streams := 0
	src.apply("ratings", rawServer(t, late.answered(func(fr *http2.Framer, id uint32) error {
		streams++
		if streams == 1 {
			return fr.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		}
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		for _, f := range []field{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}, {Name: "grpc-status", Value: "0"}} {
			_ = enc.WriteField(f) // into memory
		}
		return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	}), late.acked))
	route, call, attempt := witness()
	_, client := dial(t, "enmesh:///ratings", route(false), src, grpc.WithStatsHandler(late))
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); status.Code(err) != codes.Unavailable {
		t.Errorf("outside: %v, want Unavailable", err)
	}
	settled(t, call, attempt, gate)
	eventually(t, "the call has ended", func() bool { return len(call.Results()) > 0 })
	if e := enmesh.ErrorOf(call.Results()[0].Err); e == nil || e.Unsent || e.Code != enmesh.Unavailable {
		t.Errorf("inside: %+v, want Unavailable, and not unsent", e)
	}
}

// What grpc itself refuses to send says nothing about the endpoint.
func TestTransport_tooLargeToSend(t *testing.T) {
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", serve(t, &service{}))
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src)
	_, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{Payload: body("too large")}, grpc.MaxCallSendMsgSize(2))
	if status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("error = %v, want ResourceExhausted", err)
	}
	settled(t, gate)
	if got := gate.Outcomes(); len(got) != 1 || got[0] != enmesh.Neutral {
		t.Errorf("the endpoint's gate heard %v, want neutral", got)
	}
}

// A policy that cuts a stream short is named, whoever notices first.
func TestStream_policyEndsIt(t *testing.T) {
	over := &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Policy: "timeout", Flag: enmesh.FlagTimeout, Err: errors.New("over")}
	addr := serve(t, &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-ss.Context().Done()
		return ss.Context().Err()
	}})
	src := &clusters{}
	src.apply("ratings", addr)
	route, call, attempt := witness()
	cut := make(chan context.CancelCauseFunc, 1)
	bound := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			ctx, cancel := context.WithCancelCause(ctx)
			cut <- cancel
			c.OnFinish(func(enmesh.Result) { cancel(nil) })
			return next(ctx, c)
		}
	}
	_, client := dial(t, "enmesh:///ratings", route(false, bound), src)
	s, err := client.FullDuplexCall(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	(<-cut)(over)
	if _, err := s.Recv(); status.Code(err) != codes.DeadlineExceeded || !errors.Is(err, over) {
		t.Errorf("the stream ended with %v, want the policy's error", err)
	}
	settled(t, call, attempt)
	eventually(t, "the call has ended", func() bool { return len(call.Results()) == 1 })
	if r := call.Results()[0]; !errors.Is(r.Err, over) || r.Outcome != enmesh.Failure {
		t.Errorf("the call ended as %v, %v", r.Err, r.Outcome)
	}
}
