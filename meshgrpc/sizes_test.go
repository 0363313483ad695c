// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/accesslog"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

// weights are the bytes of request and answer; -1 is one that was not told.
type weights [2]int64

// scales is what telemetry tells of one call, on both sides.
type scales struct {
	metrics *prom.Collector
	log     *accesslog.Log
	mu      sync.Mutex // guards lines
	lines   bytes.Buffer
}

func newScales() *scales {
	s := &scales{metrics: prom.New(prom.Config{})}
	s.log = accesslog.New(slog.NewJSONHandler(s, nil), accesslog.Config{})
	return s
}

// Write takes a line of the log.
func (s *scales) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.Write(p)
}

// weigh is the telemetry of a side.
func (s *scales) weigh(side enmesh.Side) enmesh.Middleware {
	scope := telemetry.Scope{Side: side}
	return telemetry.Calls(s.metrics.Calls(scope), s.log.Calls(scope))
}

// logged is the side's line of the log, nil if there is none yet.
func (s *scales) logged(side string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range strings.Split(s.lines.String(), "\n") {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["side"] == side {
			return line
		}
	}
	return nil
}

// read is what a side's metrics and log have, which must agree, once the call has ended.
func (s *scales) read(t *testing.T, side enmesh.Side) weights {
	t.Helper()
	name, reporter := "client", "source"
	if side == enmesh.Server {
		name, reporter = "server", "destination"
	}
	eventually(t, "the log has the call", func() bool { return s.logged(name) != nil })
	line, logged := s.logged(name), weights{-1, -1}
	for i, key := range []string{"request_bytes", "response_bytes"} {
		if n, ok := line[key].(float64); ok {
			logged[i] = int64(n)
		}
	}
	measured := weights{histogram(t, s.metrics, "istio_request_bytes", reporter), histogram(t, s.metrics, "istio_response_bytes", reporter)}
	if logged != measured {
		t.Errorf("%s: the log has %v, the metrics %v", name, logged, measured)
	}
	return measured
}

// histogram is the one value of a metric for a reporter, -1 if there is none.
func histogram(t *testing.T, c prometheus.Collector, name, reporter string) int64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && reports(m, reporter) {
				if n := m.GetHistogram().GetSampleCount(); n != 1 {
					t.Errorf("%s has %d values, want 1", name, n)
				}
				return int64(m.GetHistogram().GetSampleSum())
			}
		}
	}
	return -1
}

func reports(m *dto.Metric, reporter string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == "reporter" {
			return l.GetValue() == reporter
		}
	}
	return false
}

// Messages of the calls, and what they weigh on the wire: gRPC's prefix and the message.
var (
	asked    = &testpb.StreamingOutputCallRequest{Payload: body(strings.Repeat("q", 300))}
	told     = &testpb.StreamingOutputCallResponse{Payload: body(strings.Repeat("a", 70))}
	sent     = &testpb.StreamingInputCallRequest{Payload: body(strings.Repeat("s", 1000))}
	summed   = &testpb.StreamingInputCallResponse{AggregatedPayloadSize: 1000}
	simple   = &testpb.SimpleRequest{Payload: body(strings.Repeat("u", 200))}
	answered = &testpb.SimpleResponse{Payload: body(strings.Repeat("v", 20_000))}
)

func onWire(ms ...proto.Message) (n int64) {
	for _, m := range ms {
		n += 5 + int64(proto.Size(m))
	}
	return n
}

// weighty is the service of the calls, which fail at their end if so wished.
func weighty(fail bool) *service {
	end := func() error {
		if fail {
			return status.Error(codes.Internal, "late")
		}
		return nil
	}
	return &service{
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return answered, end()
		},
		output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			return errors.Join(ss.Send(told), ss.Send(told), ss.Send(told), end())
		},
		input: func(ss testpb.TestService_StreamingInputCallServer) error {
			for {
				if _, err := ss.Recv(); err != nil {
					break
				}
			}
			if err := end(); err != nil {
				return err
			}
			return ss.SendAndClose(summed)
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			for {
				if _, err := ss.Recv(); err != nil {
					return end()
				}
				if err := ss.Send(told); err != nil {
					return err
				}
			}
		},
	}
}

// weighed are the calls by kind; they give the end of the call.
var weighed = map[string]func(context.Context, testpb.TestServiceClient) error{
	"unary": func(ctx context.Context, c testpb.TestServiceClient) error {
		_, err := c.UnaryCall(ctx, simple)
		return err
	},
	"server": func(ctx context.Context, c testpb.TestServiceClient) error {
		s, err := c.StreamingOutputCall(ctx, asked)
		if err != nil {
			return err
		}
		return drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse))
	},
	"client": func(ctx context.Context, c testpb.TestServiceClient) error {
		s, err := c.StreamingInputCall(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(s.Send(sent), s.Send(sent)); err != nil {
			return err
		}
		_, err = s.CloseAndRecv()
		return err
	},
	"bidi": func(ctx context.Context, c testpb.TestServiceClient) error {
		s, err := c.FullDuplexCall(ctx)
		if err != nil {
			return err
		}
		for range 3 {
			if err := s.Send(asked); err != nil {
				return err
			}
			if _, err := s.Recv(); err != nil {
				return err
			}
		}
		if err := s.CloseSend(); err != nil {
			return err
		}
		return drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse))
	},
}

// Both sides count what crossed the wire, of every kind of call, in both modes of streams,
// whether it ends well or not.
func TestSizes(t *testing.T) {
	type key struct {
		kind string
		fail bool
	}
	streamed := weights{3 * onWire(asked), 3 * onWire(told)}
	for k, want := range map[key]weights{
		{"unary", false}:  {onWire(simple), onWire(answered)},
		{"unary", true}:   {onWire(simple), 0},
		{"server", false}: {onWire(asked), 3 * onWire(told)},
		{"server", true}:  {onWire(asked), 3 * onWire(told)},
		{"client", false}: {2 * onWire(sent), onWire(summed)},
		{"client", true}:  {2 * onWire(sent), 0},
		{"bidi", false}:   streamed,
		{"bidi", true}:    streamed,
	} {
		for _, resends := range []bool{false, true} {
			name := k.kind + map[bool]string{false: ", ends well", true: ", fails"}[k.fail] + map[bool]string{false: "", true: ", on a route that resends"}[resends]
			t.Run(name, func(t *testing.T) {
				s := newScales()
				addr := serve(t, weighty(k.fail), meshgrpc.NewServer(enmesh.Fixed(false, s.weigh(enmesh.Server))).Options()...)
				src := &clusters{}
				src.apply("ratings", addr)
				_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(resends, s.weigh(enmesh.Client)), src)
				if err := weighed[k.kind](testContext(t), client); (err != nil) != k.fail {
					t.Fatal(err)
				}
				for name, side := range map[string]enmesh.Side{"client": enmesh.Client, "server": enmesh.Server} {
					if got := s.read(t, side); got != want {
						t.Errorf("%s: got %v, want %v", name, got, want)
					}
				}
			})
		}
	}
}

// A call that was sent again has the size of its last attempt; one that was refused has none
// of an answer.
func TestSizes_ofRetriesAndRefusals(t *testing.T) {
	for kind, want := range map[string]weights{
		"unary": {0, -1}, "server": {0, -1}, "client": {0, -1}, "bidi": {0, -1},
	} {
		t.Run(kind, func(t *testing.T) {
			s := newScales()
			no := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "test", Err: errors.New("no")}
			refuse := func(enmesh.Next) enmesh.Next { return func(context.Context, *enmesh.Call) error { return no } }
			_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(true, s.weigh(enmesh.Client), refuse), &clusters{})
			if err := weighed[kind](testContext(t), client); status.Code(err) != codes.ResourceExhausted {
				t.Fatal(err)
			}
			if got := s.read(t, enmesh.Client); got != want {
				t.Errorf("refused: got %v, want %v", got, want)
			}
		})
	}
	first := true
	svc := weighty(false)
	output := svc.output
	svc.output = func(in *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		if first {
			first = false
			return status.Error(codes.Unavailable, "not the first time")
		}
		return output(in, ss)
	}
	s := newScales()
	src := &clusters{}
	src.apply("ratings", serve(t, svc))
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(true, s.weigh(enmesh.Client), retry(2)), src)
	if err := weighed["server"](testContext(t), client); err != nil {
		t.Fatal(err)
	}
	if got, want := s.read(t, enmesh.Client), (weights{onWire(asked), 3 * onWire(told)}); got != want {
		t.Errorf("sent again: got %v, want %v", got, want)
	}
}

// raw is a codec of bytes.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (raw) Name() string { return "raw" }

var _ encoding.CodecV2 = raw{}

// Of messages that are not protobuf no size is told, not even of a part of them.
func TestSizes_ofForeignMessages(t *testing.T) {
	s := newScales()
	srv := meshgrpc.NewServer(enmesh.Fixed(false, s.weigh(enmesh.Server)))
	echo := func(_ any, ss grpc.ServerStream) error {
		for {
			var in []byte
			if err := ss.RecvMsg(&in); err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			if err := ss.SendMsg(&in); err != nil {
				return err
			}
		}
	}
	addr := serve(t, &service{}, append(srv.Options(), grpc.ForceServerCodecV2(raw{}), grpc.UnknownServiceHandler(echo))...)
	src := &clusters{}
	src.apply("ratings", addr)
	cc, _ := dial(t, "enmesh:///ratings", enmesh.Fixed(false, s.weigh(enmesh.Client)), src, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	stream, err := cc.NewStream(testContext(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/raw.Echo/Talk")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		var got []byte
		message := []byte(text)
		if err := errors.Join(stream.SendMsg(&message), stream.RecvMsg(&got)); err != nil || string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(new([]byte)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for name, side := range map[string]enmesh.Side{"client": enmesh.Client, "server": enmesh.Server} {
		if got, want := s.read(t, side), (weights{-1, -1}); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// A message that a policy makes up has its size, on whichever side that is; a made-up error
// has none.
func TestSizes_ofWhatPoliciesMakeUp(t *testing.T) {
	message, err := proto.Marshal(answered)
	if err != nil {
		t.Fatal(err)
	}
	makeUp := func(enmesh.Next) enmesh.Next {
		return func(_ context.Context, c *enmesh.Call) error {
			return c.SetReply(&enmesh.Reply{Status: 200, Header: map[string][]string{"Content-Type": {enmesh.MessageType}}, Body: message}, nil)
		}
	}
	abort := func(enmesh.Next) enmesh.Next {
		return func(_ context.Context, c *enmesh.Call) error {
			return c.SetReply(&enmesh.Reply{Status: 503, Body: []byte("no")}, &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503})
		}
	}
	pass := enmesh.Chain()
	for name, tt := range map[string]struct {
		client, server enmesh.Middleware
		code           codes.Code
		here, there    weights // there: nothing where the server has not heard of it
	}{
		"by the client":      {makeUp, pass, codes.OK, weights{0, onWire(answered)}, weights{}},
		"by the server":      {pass, makeUp, codes.OK, weights{onWire(simple), onWire(answered)}, weights{onWire(simple), onWire(answered)}},
		"aborted at once":    {abort, pass, codes.Unavailable, weights{0, -1}, weights{}},
		"aborted over there": {pass, abort, codes.Unavailable, weights{onWire(simple), 0}, weights{onWire(simple), 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScales()
			src := &clusters{}
			src.apply("ratings", serve(t, weighty(false), meshgrpc.NewServer(enmesh.Fixed(false, s.weigh(enmesh.Server), tt.server)).Options()...))
			_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false, s.weigh(enmesh.Client), tt.client), src)
			if err := weighed["unary"](testContext(t), client); status.Code(err) != tt.code {
				t.Fatal(err)
			}
			if got := s.read(t, enmesh.Client); got != tt.here {
				t.Errorf("client: got %v, want %v", got, tt.here)
			}
			if tt.there == (weights{}) {
				return
			}
			if got := s.read(t, enmesh.Server); got != tt.there {
				t.Errorf("server: got %v, want %v", got, tt.there)
			}
		})
	}
}
