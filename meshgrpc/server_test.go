// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

var plaintext = insecure.NewCredentials()

// bare connects without the mesh.
func bare(t testing.TB, addr string) testpb.TestServiceClient {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return testpb.NewTestServiceClient(cc)
}

func TestServer_describesTheCall(t *testing.T) {
	var mu sync.Mutex
	got := map[string]enmesh.Kind{}
	var source, local, authority, header, scheme string
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			mu.Lock()
			got[c.Path] = c.Kind
			local = c.Source.Local.String()
			source, authority, header, scheme = c.Source.Addr.String(), c.Authority, c.Header.Get("X-Who"), c.Scheme
			if c.Side != enmesh.Server || c.Protocol != enmesh.GRPC || enmesh.FromContext(ctx) != c {
				t.Errorf("call = %v %v, context carries %p of %p", c.Side, c.Protocol, enmesh.FromContext(ctx), c)
			}
			c.Header.Set("x-added", "for the handler")
			c.Answer.Header.Set("x-answer", "by a policy")
			mu.Unlock()
			return next(ctx, c)
		}
	}
	addr := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		return &testpb.SimpleResponse{Payload: body(strings.Join(md.Get("x-added"), ","))}, nil
	}}, meshgrpc.NewServer(enmesh.Fixed(false, look)).Options()...)
	client := bare(t, addr)
	ctx := metadata.AppendToOutgoingContext(testContext(t), "x-who", "me")
	var answer metadata.MD
	resp, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&answer))
	if err != nil {
		t.Fatal(err)
	}
	if string(resp.GetPayload().GetBody()) != "for the handler" {
		t.Errorf("the handler saw %q", resp.GetPayload().GetBody())
	}
	if v := answer.Get("x-answer"); len(v) != 1 || v[0] != "by a policy" {
		t.Errorf("answer header = %v", answer)
	}
	if !strings.HasPrefix(source, "127.0.0.1:") || authority != addr || local != addr || header != "me" || scheme != "http" {
		t.Errorf("source %q, authority %q, header %q, scheme %q", source, authority, header, scheme)
	}
	for kind, open := range kinds {
		read, err := open(ctx, client)
		if err != nil {
			t.Fatal(kind, err)
		}
		if kind != "bidi" {
			if err := read(); err != nil {
				t.Error(kind, err)
			}
		}
	}
	eventually(t, "all kinds were seen", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 4 })
	mu.Lock()
	defer mu.Unlock()
	for method, want := range map[string]enmesh.Kind{
		"UnaryCall": enmesh.Unary, "StreamingOutputCall": enmesh.ServerStream,
		"StreamingInputCall": enmesh.ClientStream, "FullDuplexCall": enmesh.Bidi,
	} {
		if k, ok := got["/grpc.testing.TestService/"+method]; !ok || k != want {
			t.Errorf("kind of %s = %v, want %v", method, k, want)
		}
	}
}

func TestServer_panicGivesNothingAway(t *testing.T) {
	secret := "the secret"
	for _, tt := range []struct {
		name  string
		chain []enmesh.Middleware
	}{
		{"the adapter recovers", nil},
		{"the chain recovers", []enmesh.Middleware{enmesh.Recover(nil)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var told []any
			hook := meshgrpc.WithPanicHook(func(_ context.Context, method string, v any, stack []byte) {
				mu.Lock()
				defer mu.Unlock()
				if len(stack) == 0 || !strings.HasPrefix(method, "/grpc.testing") {
					t.Errorf("hook: method %q, %d bytes of stack", method, len(stack))
				}
				told = append(told, v)
			})
			route, call, _ := witness()
			route2 := func() enmesh.Router {
				if tt.chain == nil {
					return route(false)
				}
				return route(false, tt.chain...)
			}
			addr := serve(t, &service{
				unary:  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { panic(secret) },
				duplex: func(testpb.TestService_FullDuplexCallServer) error { panic(secret) },
			}, meshgrpc.NewServer(route2(), hook).Options()...)
			client := bare(t, addr)
			_, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{})
			s, serr := client.FullDuplexCall(testContext(t))
			if serr != nil {
				t.Fatal(serr)
			}
			_, serr = s.Recv()
			for _, err := range []error{err, serr} {
				if status.Code(err) != codes.Internal || strings.Contains(err.Error(), secret) {
					t.Errorf("error = %v, want Internal without the panic's text", err)
				}
			}
			settled(t, call)
			mu.Lock()
			defer mu.Unlock()
			if len(told) != 2 || told[0] != any(secret) {
				t.Errorf("the hook was told %v, want the panic twice", told)
			}
			for _, o := range call.Outcomes() {
				if o != enmesh.Failure {
					t.Errorf("outcome = %v, want failure", o)
				}
			}
		})
	}
}

func TestServer_refusalCarriesPushback(t *testing.T) {
	for _, tt := range []struct {
		after   time.Duration
		trailer string
		details int
	}{
		{1500 * time.Millisecond, "1500", 1},
		{1, "1", 1},
		{-1, "-1", 0},
		{0, "", 0},
	} {
		refusal := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "limit", RetryAfter: tt.after, Err: errors.New("no more")}
		refuse := func(enmesh.Next) enmesh.Next { return func(context.Context, *enmesh.Call) error { return refusal } }
		addr := serve(t, &service{}, meshgrpc.NewServer(enmesh.Fixed(false, refuse)).Options()...)
		client := bare(t, addr)
		var trailer metadata.MD
		_, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}, grpc.Trailer(&trailer))
		s, serr := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
		if serr != nil {
			t.Fatal(serr)
		}
		_, serr = s.Recv()
		for i, err := range []error{err, serr} {
			md := []metadata.MD{trailer, s.Trailer()}[i]
			if got := strings.Join(md.Get("grpc-retry-pushback-ms"), ","); got != tt.trailer {
				t.Errorf("RetryAfter %v: pushback %q, want %q", tt.after, got, tt.trailer)
			}
			st := status.Convert(err)
			if st.Code() != codes.ResourceExhausted || st.Message() != "limit: no more" || len(st.Details()) != tt.details {
				t.Errorf("RetryAfter %v: %v with %v", tt.after, err, st.Details())
			}
			if tt.details == 1 {
				if d := st.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration(); d != tt.after {
					t.Errorf("RetryInfo = %v, want %v", d, tt.after)
				}
			}
		}
	}
}

func TestServer_handlersErrorIsUntouched(t *testing.T) {
	st, err := status.New(codes.NotFound, "no such book").WithDetails(&errdetails.ResourceInfo{ResourceName: "book"})
	if err != nil {
		t.Fatal(err)
	}
	route, call, _ := witness()
	addr := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { return nil, st.Err() }},
		meshgrpc.NewServer(route(false)).Options()...)
	_, err = bare(t, addr).UnaryCall(testContext(t), &testpb.SimpleRequest{})
	if got := status.Convert(err); got.Code() != codes.NotFound || got.Message() != "no such book" || len(got.Details()) != 1 {
		t.Errorf("error = %v with %v", err, got.Details())
	}
	settled(t, call)
	if r := call.Results(); enmesh.CodeOf(r[0].Err) != enmesh.NotFound || r[0].Outcome != enmesh.Neutral {
		t.Errorf("inside: %v, %v", r[0].Err, r[0].Outcome)
	}
}

// The answer's head is the first message, not the end of the stream.
func TestServer_headOfAStream(t *testing.T) {
	route, call, _ := witness()
	addr := serve(t, &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-ss.Context().Done()
		return nil
	}}, meshgrpc.NewServer(route(false)).Options()...)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	s, err := bare(t, addr).StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	pause(20 * time.Millisecond)
	cancel()
	settled(t, call)
	eventually(t, "the call has ended", func() bool { return len(call.Results()) == 1 })
	r := call.Results()[0]
	if held := r.Ended.Sub(r.Answered); held < 15*time.Millisecond {
		t.Errorf("the stream ran %v after its head, want at least 15 ms", held)
	}
	if _, err := s.Recv(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the cancelled stream ended with %v", err)
	}
}

// A unary call can be answered with a message, whether the handler has run or not; what has
// none is an error, and so is a message for a stream or one that does not fit.
func TestServer_madeUpAnswer(t *testing.T) {
	encoded, err := proto.Marshal(&testpb.SimpleResponse{Username: "made up"})
	if err != nil {
		t.Fatal(err)
	}
	typed := map[string][]string{"Content-Type": {enmesh.MessageType}, "X-Made": {"up"}}
	for _, tt := range []struct {
		name   string
		reply  *enmesh.Reply
		after  bool // the handler, which fails
		unary  codes.Code
		stream codes.Code
	}{
		{"a status", &enmesh.Reply{Status: 404}, false, codes.Unimplemented, codes.Unimplemented},
		{"a message", &enmesh.Reply{Status: 200, Header: typed, Body: encoded}, false, codes.OK, codes.Unknown},
		{"a message after a failure", &enmesh.Reply{Status: 200, Header: typed, Body: encoded}, true, codes.OK, codes.Unknown},
		{"a message that does not fit", &enmesh.Reply{Status: 200, Header: typed, Body: []byte("\xff\xff")}, false, codes.Internal, codes.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply := func(next enmesh.Next) enmesh.Next {
				return func(ctx context.Context, c *enmesh.Call) error {
					if tt.after {
						_ = next(ctx, c)
					}
					return c.SetReply(tt.reply, nil)
				}
			}
			fails := func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
				return nil, status.Error(codes.Aborted, "no")
			}
			client := bare(t, serve(t, &service{unary: fails}, meshgrpc.NewServer(enmesh.Fixed(false, reply)).Options()...))
			var head metadata.MD
			resp, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}, grpc.Header(&head))
			if status.Code(err) != tt.unary {
				t.Errorf("error = %v, want %v", err, tt.unary)
			}
			if made := strings.Join(head.Get("x-made"), ","); tt.unary == codes.OK && (resp.GetUsername() != "made up" || made != "up") {
				t.Errorf("answer = %v with %v", resp, head)
			}
			stream, err := client.FullDuplexCall(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.CloseSend()
			if _, err = stream.Recv(); status.Code(err) != tt.stream {
				t.Errorf("a stream ends with %v, want %v", err, tt.stream)
			}
		})
	}
}

// What a handler leaves behind when it returns must not find the record of a later call.
func TestServer_aRecordIsUsedAgain(t *testing.T) {
	var left sync.WaitGroup
	var wrong, kept atomic.Int64
	ask := func(ctx context.Context, who string) {
		<-ctx.Done() // the call is over
		if c := enmesh.FromContext(ctx); c != nil && c.Header.Get("who") != who {
			wrong.Add(1)
		}
	}
	addr := serve(t, &service{unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		who := string(req.GetPayload().GetBody())
		if strings.HasSuffix(who, "a") { // this one knows its call, and keeps it
			c := enmesh.FromContext(ctx)
			kept.Add(1)
			left.Go(func() {
				<-ctx.Done()
				if c.Header.Get("who") != who {
					wrong.Add(1)
				}
			})
		}
		left.Go(func() { ask(ctx, who) })
		return &testpb.SimpleResponse{Payload: body(who)}, nil
	}}, meshgrpc.NewServer(enmesh.Fixed(false, enmesh.Guard(nopGate{}))).Options()...)
	client := bare(t, addr)
	const workers, calls = 8, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range calls {
				who := strings.Repeat("q", w+1) + string(rune('a'+n%26))
				ctx := metadata.AppendToOutgoingContext(testContext(t), "who", who)
				resp, err := client.UnaryCall(ctx, &testpb.SimpleRequest{Payload: body(who)})
				if err != nil {
					t.Error(err)
					return
				}
				if got := string(resp.GetPayload().GetBody()); got != who {
					t.Errorf("got %q, want %q", got, who)
				}
			}
		})
	}
	wg.Wait()
	left.Wait()
	if n := wrong.Load(); n != 0 || kept.Load() == 0 {
		t.Errorf("%d times a goroutine of an older call found a later one; %d kept their own", n, kept.Load())
	}
}

// What a policy adds to the answer's header before the handler runs goes out with it,
// though a stream's leaves while the handler still runs, and with a refusal.
func TestServer_policiesAddToEveryAnswer(t *testing.T) {
	no := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "test", Err: errors.New("no")}
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Answer.Header.Add("x-policy", "one")
			c.Answer.Header.Add("x-policy", "two")
			if c.Header.Get("x-refuse") != "" {
				return no
			}
			return next(ctx, c)
		}
	}
	client := bare(t, serve(t, &service{}, meshgrpc.NewServer(enmesh.Fixed(false, look)).Options()...))
	for _, refuse := range []string{"", "yes"} {
		ctx := testContext(t)
		if refuse != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-refuse", refuse)
		}
		var unary metadata.MD
		_, _ = client.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&unary))
		stream, err := client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.Recv()
		streaming, _ := stream.Header()
		for kind, md := range map[string]metadata.MD{"unary": unary, "streaming": streaming} {
			if got := md.Get("x-policy"); len(got) != 2 || got[0] != "one" || got[1] != "two" {
				t.Errorf("%s, refuse %q: x-policy is %q, want one and two", kind, refuse, got)
			}
		}
	}
}
