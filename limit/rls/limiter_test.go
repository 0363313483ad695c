// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/rls"
)

// scripted is a server of the real protocol whose answers a test decides.
type scripted struct {
	service.UnimplementedRateLimitServiceServer
	answer func(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error)
	asked  atomic.Pointer[service.RateLimitRequest]
	meta   atomic.Pointer[metadata.MD]
}

func (s *scripted) ShouldRateLimit(ctx context.Context, r *service.RateLimitRequest) (*service.RateLimitResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.meta.Store(&md)
	s.asked.Store(r)
	if s.answer == nil {
		return &service.RateLimitResponse{OverallCode: service.RateLimitResponse_OK}, nil
	}
	return s.answer(ctx, r)
}

// serve runs a scripted server, and returns a connection to it.
func serve(t testing.TB, answer func(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error)) (*grpc.ClientConn, *scripted) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{answer: answer}
	server := grpc.NewServer()
	service.RegisterRateLimitServiceServer(server, s)
	go func() { _ = server.Serve(l) }() // Stop ends it
	t.Cleanup(server.Stop)
	return dial(t, l.Addr().String()), s
}

func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// patient is a timeout that a slow machine does not reach.
const patient = 10 * time.Second

func mustNew(t testing.TB, conn grpc.ClientConnInterface, cfg rls.Config, d ...rls.Descriptor) *rls.Limiter {
	t.Helper()
	if cfg.Domain == "" {
		cfg.Domain = "shop"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = patient
	}
	if len(d) == 0 {
		d = []rls.Descriptor{{rls.GenericKey{Value: "all"}}}
	}
	l, err := rls.New(conn, cfg, d...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func over(ctx context.Context, _ *service.RateLimitRequest) (*service.RateLimitResponse, error) {
	return &service.RateLimitResponse{
		OverallCode: service.RateLimitResponse_OVER_LIMIT,
		Statuses: []*service.RateLimitResponse_DescriptorStatus{
			{Code: service.RateLimitResponse_OK, LimitRemaining: 7, DurationUntilReset: durationpb.New(time.Hour), CurrentLimit: &service.RateLimitResponse_RateLimit{RequestsPerUnit: 9, Unit: service.RateLimitResponse_RateLimit_HOUR}},
			{Code: service.RateLimitResponse_OVER_LIMIT, DurationUntilReset: durationpb.New(2500 * time.Millisecond), CurrentLimit: &service.RateLimitResponse_RateLimit{RequestsPerUnit: 3, Unit: service.RateLimitResponse_RateLimit_MINUTE, Name: "few"}},
		},
		ResponseHeadersToAdd: []*core.HeaderValue{{Key: "x-why", Value: "few"}, {Key: "x-raw", RawValue: []byte("raw")}, {Key: "x-split", Value: "a\r\nb: c"}, {Key: ":status", Value: "200"}},
		RawBody:              []byte("come back"),
	}, nil
}

func TestLimiter_refusal(t *testing.T) {
	conn, _ := serve(t, over)
	l := mustNew(t, conn, rls.Config{Headers: true})
	c := &enmesh.Call{Clock: enmesh.Now()}
	_, err := l.Admit(t.Context(), c)
	e := enmesh.ErrorOf(err)
	if !errors.Is(err, limit.ErrLimited) || e.Code != enmesh.ResourceExhausted || e.Status != 429 || e.Flag != enmesh.FlagRateLimited ||
		e.Outcome != enmesh.Neutral || !e.Unsent || e.RetryAfter != 2500*time.Millisecond {
		t.Errorf("got %#v, want ErrLimited, 429, RL, neutral, unsent, after 2.5 s", e)
	}
	r := c.ReplyFor(err)
	if r == nil || r.Status != 429 || string(r.Body) != "come back" {
		t.Fatalf("got the reply %+v, want 429 with the service's body", r)
	}
	h := http.Header(r.Header)
	for key, want := range map[string]string{
		"Retry-After": "3", "X-Why": "few", "X-Raw": "raw", "X-Split": "", ":status": "",
		"X-Ratelimit-Limit": `3, 9;w=3600, 3;w=60;name="few"`, "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "3",
	} {
		if got := h.Get(key); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	grpcCall := &enmesh.Call{Protocol: enmesh.GRPC, Side: enmesh.Server, Clock: enmesh.Now()}
	answered := header{}
	grpcCall.Answer.Header = answered
	_, err = l.Admit(t.Context(), grpcCall)
	if grpcCall.ReplyFor(err) != nil || enmesh.CodeOf(err) != enmesh.ResourceExhausted || answered.Get("x-why") != "few" {
		t.Errorf("gRPC: got %v and the header %v, want RESOURCE_EXHAUSTED and the service's headers", err, answered)
	}
	if s := l.Stats(); s != (rls.Stats{Limited: 2}) {
		t.Errorf("got %+v, want two limited", s)
	}
}

func TestLimiter_sendsWhatIsAsked(t *testing.T) {
	conn, s := serve(t, func(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		return &service.RateLimitResponse{
			OverallCode:          service.RateLimitResponse_OK,
			RequestHeadersToAdd:  []*core.HeaderValue{{Key: "x-tier", Value: "gold"}},
			ResponseHeadersToAdd: []*core.HeaderValue{{Key: "x-left", Value: "9"}},
		}, nil
	})
	l := mustNew(t, conn, rls.Config{Hits: 3},
		rls.Descriptor{rls.RequestHeader{Name: "user", Key: "user"}, rls.GenericKey{Value: "v"}},
		rls.Descriptor{rls.RequestHeader{Name: "none", Key: "none"}},
		rls.Descriptor{rls.RequestHeader{Name: "none", Key: "none", SkipIfAbsent: true}, rls.RequestHeader{Name: "long", Key: "long"}},
		rls.Descriptor{rls.ActionFunc(func(c *enmesh.Call) (rls.Entry, rls.Effect) { return rls.Entry{Key: "own", Value: c.Method}, rls.Add })},
	)
	request, answered := header{"User": {"\xffann"}, "Long": {strings.Repeat("x", 10_000)}}, header{}
	c := &enmesh.Call{Method: "PUT", Header: request, Clock: enmesh.Now()}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "secret")
	err := l.Middleware()(func(_ context.Context, c *enmesh.Call) error { c.Answer.Header = answered; return nil })(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	asked := s.asked.Load()
	var got []string
	for _, d := range asked.GetDescriptors() {
		text := ""
		for _, e := range d.GetEntries() {
			text += e.GetKey() + "=" + e.GetValue()[:min(len(e.GetValue()), 10)] + ";"
		}
		got = append(got, text)
	}
	want := "user=\uFFFDann;generic_key=v; long=xxxxxxxxxx; own=PUT;"
	if text := strings.Join(got, " "); text != want || asked.GetDomain() != "shop" || asked.GetHitsAddend() != 3 {
		t.Errorf("asked %q of %q, %d hits; want %q of shop, 3", text, asked.GetDomain(), asked.GetHitsAddend(), want)
	}
	if n := len(asked.GetDescriptors()[1].GetEntries()[0].GetValue()); n != 4096 {
		t.Errorf("a long value has %d bytes, want 4096", n)
	}
	if md := *s.meta.Load(); len(md.Get("authorization")) != 0 {
		t.Errorf("the service is sent %v: what the caller means for another", md)
	}
	if request.Get("x-tier") != "gold" || answered.Get("x-left") != "9" {
		t.Errorf("request %v, answer %v; want the service's headers in both", request, answered)
	}
}

func TestLimiter_withoutDescriptorsAsksNobody(t *testing.T) {
	conn, s := serve(t, over)
	l := mustNew(t, conn, rls.Config{}, rls.Descriptor{rls.RequestHeader{Name: "none", Key: "k"}},
		rls.Descriptor{rls.RequestHeader{Name: "none", Key: "k", SkipIfAbsent: true}})
	if _, err := l.Admit(t.Context(), &enmesh.Call{Header: header{}}); err != nil || s.asked.Load() != nil {
		t.Errorf("got %v, asked %v; want it let through unasked", err, s.asked.Load())
	}
	if got := l.Stats(); got.Skipped != 1 {
		t.Errorf("got %+v, want one skipped", got)
	}
}

// decisions counts degraded ones.
type decisions struct{ n atomic.Int64 }

// Record counts.
func (d *decisions) Record(_ *enmesh.Call, got enmesh.Decision) {
	if got == (enmesh.Decision{Policy: "rls", Action: enmesh.ActionDegrade}) {
		d.n.Add(1)
	}
}

func TestLimiter_whenTheServiceFails(t *testing.T) {
	hang := func(ctx context.Context, _ *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	fail := func(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		return nil, status.Error(codes.Internal, "no")
	}
	for name, answer := range map[string]func(context.Context, *service.RateLimitRequest) (*service.RateLimitResponse, error){"hangs": hang, "fails": fail} {
		for _, deny := range []bool{false, true} {
			conn, _ := serve(t, answer)
			var seen decisions
			l := mustNew(t, conn, rls.Config{Deny: deny, Timeout: 50 * time.Millisecond, Recorder: &seen})
			_, err := l.Admit(t.Context(), &enmesh.Call{})
			if e := enmesh.ErrorOf(err); deny != (e != nil) || deny && (!errors.Is(err, rls.ErrService) || e.Status != 500 || e.Outcome != enmesh.Neutral || e.Flag != rls.FlagService) {
				t.Errorf("it %s, deny %v: got %v", name, deny, err)
			}
			if seen.n.Load() != 1 || l.Stats().Failed != 1 {
				t.Errorf("it %s, deny %v: %d recorded, %+v; want one", name, deny, seen.n.Load(), l.Stats())
			}
		}
	}
	conn, _ := serve(t, hang)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := mustNew(t, conn, rls.Config{Timeout: 10 * time.Second}).Admit(ctx, &enmesh.Call{}); enmesh.ErrorOf(err) != enmesh.ErrDeadline {
		t.Errorf("the caller's deadline passes: got %v, want ErrDeadline", err)
	}
}

// here answers without a network, which would stall a bubble.
type here service.RateLimitResponse_Code

func (h here) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	reply.(*service.RateLimitResponse).OverallCode = service.RateLimitResponse_Code(h)
	return nil
}

func (here) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, io.ErrUnexpectedEOF
}

func TestLimiter_conforms(t *testing.T) {
	for name, code := range map[string]here{"allows": here(service.RateLimitResponse_OK), "limits": here(service.RateLimitResponse_OVER_LIMIT)} {
		t.Run(name+" gate", func(t *testing.T) {
			enmeshtest.TestGate(t, func() enmesh.Gate { return mustNew(t, code, rls.Config{}) })
		})
		t.Run(name+" middleware", func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return mustNew(t, code, rls.Config{}).Middleware() })
		})
	}
}

func BenchmarkLimiter(b *testing.B) {
	for name, code := range map[string]here{"admit": here(service.RateLimitResponse_OK), "refuse": here(service.RateLimitResponse_OVER_LIMIT)} {
		b.Run(name, func(b *testing.B) {
			l := mustNew(b, code, rls.Config{})
			c, ctx := &enmesh.Call{}, context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = l.Admit(ctx, c)
			}
		})
	}
}

// In shadow a call does not wait for the service, which is asked all the same, with what the
// call was when it came; nothing is written in it, and what is limited is told of.
func TestLimiter_inShadow(t *testing.T) {
	release := make(chan struct{})
	conn, s := serve(t, func(ctx context.Context, r *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		<-release
		answer, err := over(ctx, r)
		answer.RequestHeadersToAdd = []*core.HeaderValue{{Key: "x-limited", Value: "yes"}}
		return answer, err
	})
	told := make(chan *enmesh.Call, 2)
	l := mustNew(t, conn, rls.Config{Headers: true, Shadow: true, Recorder: recording(told)}, rls.Descriptor{rls.RequestHeader{Name: "x-user", Key: "user"}})
	in, out := header{}, header{}
	in.Set("x-user", "ann")
	c := &enmesh.Call{Side: enmesh.Server, Destination: enmesh.Destination{Service: "shop"}, Header: in, Answer: enmesh.Answer{Header: out}}
	reached := false
	err := l.Middleware()(func(context.Context, *enmesh.Call) error { reached = true; return nil })(t.Context(), c)
	if err != nil || !reached {
		t.Fatalf("got %v, reached %v; want it through while the service is silent", err, reached)
	}
	if _, err := l.Admit(t.Context(), c); err != nil {
		t.Error(err)
	}
	in.Set("x-user", "changed since")
	close(release)
	for range 2 {
		if d := <-told; d == c || d.Service != "shop" || d.Side != enmesh.Server {
			t.Errorf("told of %+v, want a copy of the call", d)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if len(in) != 1 || len(out) != 0 || l.Stats() != (rls.Stats{Limited: 2}) {
		t.Errorf("the headers are %v and %v, counted %+v; want them untouched, and two limited", in, out, l.Stats())
	}
	if got := s.asked.Load().GetDescriptors()[0].GetEntries()[0].GetValue(); got != "ann" {
		t.Errorf("the service was asked about %q, want ann", got)
	}
	if _, err := l.Admit(t.Context(), c); err != nil || l.Stats().Skipped != 1 {
		t.Errorf("after its end: %v, %+v; want it skipped", err, l.Stats())
	}
}

// Close ends asks of a service that says nothing.
func TestLimiter_inShadowEnds(t *testing.T) {
	conn, _ := serve(t, func(ctx context.Context, _ *service.RateLimitRequest) (*service.RateLimitResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	told := make(chan *enmesh.Call, 1)
	l := mustNew(t, conn, rls.Config{Deny: true, Shadow: true, Timeout: patient, Recorder: recording(told)})
	for range 300 {
		if _, err := l.Admit(t.Context(), &enmesh.Call{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.Stats().Skipped; got != 300-256 {
		t.Errorf("%d of 300 were skipped, want all beyond 256", got)
	}
	if err := l.Close(); err != nil || len(told) != 0 {
		t.Errorf("closed: %v, %d told", err, len(told))
	}
}

// recording sends on of whom a limit in shadow tells.
type recording chan *enmesh.Call

// Record sends on.
func (r recording) Record(c *enmesh.Call, d enmesh.Decision) {
	if d == (enmesh.Decision{Policy: "limit", Action: enmesh.ActionRefuse, Shadow: true}) {
		r <- c
	}
}

// brokenWire fails every question at once, and counts them.
type brokenWire struct {
	here
	asked atomic.Int64
}

func (b *brokenWire) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	b.asked.Add(1)
	return status.Error(codes.Unavailable, "no wire")
}

// CVE-2026-26330: a limit that was asked about once more at the end of a call crashed when
// that question failed at once. Here the end of a call, however it comes, asks nobody.
func TestCVE_2026_26330_theEndOfACallAsksNobody(t *testing.T) {
	wire := &brokenWire{}
	for i, end := range []enmesh.Result{{Outcome: enmesh.Success}, {Outcome: enmesh.Failure, Err: io.ErrUnexpectedEOF}, {Outcome: enmesh.Neutral, Err: context.Canceled}} {
		l := mustNew(t, wire, rls.Config{})
		token, err := l.Admit(t.Context(), &enmesh.Call{})
		if err != nil {
			t.Fatalf("the service fails: got %v, want the call let through", err)
		}
		l.Done(token, end)
		if got := wire.asked.Load(); got != int64(i+1) {
			t.Errorf("after the end %+v: asked %d times, want %d", end, got, i+1)
		}
	}
}
