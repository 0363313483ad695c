// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// streamed is a stream with a token, and how it ended after how long.
func streamed(a *jwt.Authenticator, raw string, steps ...enmeshtest.Step) (time.Duration, error) {
	w := enmeshtest.NewWire(steps...)
	c := w.Call()
	c.Side, c.Protocol, c.Kind, c.Method, c.Header = enmesh.Server, enmesh.GRPC, enmesh.Bidi, "POST", enmeshtest.Header{}
	bearer(raw)(c)
	begin := time.Now()
	err := w.Do(context.Background(), enmesh.Fixed(false, a.Middleware()))
	if err == nil {
		w.Finish(nil)
	}
	return time.Since(begin), err
}

// lasting is a handler that runs for a time, whatever its context says.
func lasting(d time.Duration) enmeshtest.Step {
	return func(context.Context, *enmesh.Call) error {
		time.Sleep(d)
		return nil
	}
}

func TestScenarioA8_streamsEndWithTheirToken(t *testing.T) {
	for _, tt := range []struct {
		name         string
		life         time.Duration // of the token
		cfg          jwt.Config
		step         enmeshtest.Step
		after, until time.Duration // when it ends; 0: by itself
	}{
		{name: "waits for its context", life: time.Minute, step: enmeshtest.Hang(), after: time.Minute, until: 90 * time.Second},
		{name: "long", life: 10 * time.Hour, step: enmeshtest.Hang(), after: 10 * time.Hour, until: 10*time.Hour + 30*time.Second},
		{name: "begun within the leeway", life: -10 * time.Second, step: enmeshtest.Hang(), after: 19 * time.Second, until: 20 * time.Second},
		{name: "looked at seldom", life: time.Minute, cfg: jwt.Config{StreamCheck: time.Hour}, step: enmeshtest.Hang(), after: time.Minute, until: 61 * time.Second},
		{name: "ends by itself", life: time.Minute, step: lasting(59 * time.Second)},
		{name: "not watched", life: time.Minute, cfg: jwt.Config{StreamCheck: -1}, step: lasting(time.Hour)},
		{name: "heeds nothing, and is told so", life: time.Minute, step: lasting(time.Hour), after: time.Hour, until: time.Hour + time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := &recorder{}
				tt.cfg.Rules, tt.cfg.Recorder = []jwt.Rule{plain()}, rec
				a := newAuth(t, tt.cfg)
				took, err := streamed(a, token(object{"exp": time.Now().Add(tt.life).Unix()}), tt.step)
				if tt.until == 0 {
					if err != nil || rec.n.Load() != 0 {
						t.Errorf("%v after %v, want its own end", err, took)
					}
					return
				}
				if !errors.Is(err, jwt.ErrExpired) || enmesh.CodeOf(err) != enmesh.Unauthenticated || enmesh.OutcomeOf(err) != enmesh.Neutral {
					t.Errorf("ended with %v", err)
				}
				if took < tt.after || took > tt.until {
					t.Errorf("ended after %v, want within %v to %v", took, tt.after, tt.until)
				}
				if d := rec.last.Load(); rec.n.Load() != 1 || d.Action != enmesh.ActionTimeout {
					t.Errorf("recorded %+v", d)
				}
			})
		})
	}
}

// T16: the wall clock may be set while a stream runs, and may be anywhere.
func TestScenarioT16_theClockIsSetDuringAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Int64
		a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}, Now: func() time.Time { return time.Now().Add(time.Duration(off.Load())) }})
		raw := token(object{"exp": time.Now().Add(24 * time.Hour).Unix()})
		time.AfterFunc(time.Minute, func() { off.Store(int64(10 * 365 * 24 * time.Hour)) })
		took, err := streamed(a, raw, enmeshtest.Hang())
		if !errors.Is(err, jwt.ErrExpired) || took < time.Minute || took > 91*time.Second {
			t.Errorf("ended after %v with %v", took, err)
		}
	})
}

func TestScenarioT16_clocks(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name  string
		off   time.Duration // of our clock from the issuer's
		more  object
		valid bool
	}{
		{"the same", 0, nil, true},
		{"29 s behind", -29 * time.Second, object{"iat": now.Unix(), "nbf": now.Unix()}, true},
		{"31 s behind", -32 * time.Second, object{"iat": now.Unix()}, false},
		{"31 s behind, nbf", -32 * time.Second, object{"nbf": now.Unix()}, false},
		{"29 s ahead", 29 * time.Second, object{"exp": now.Unix() + 1}, true},
		{"31 s ahead", 31 * time.Second, object{"exp": now.Unix()}, false},
		{"an hour ahead", time.Hour + time.Minute, nil, false},
		{"an hour behind", -time.Hour, object{"iat": now.Unix()}, false},
		{"ten years ahead", 10 * 365 * 24 * time.Hour, nil, false},
		{"ten years behind", -10 * 365 * 24 * time.Hour, object{"iat": now.Unix()}, false},
		{"before 1970", -80 * 365 * 24 * time.Hour, object{"iat": now.Unix()}, false},
	} {
		for _, cached := range []bool{false, true} {
			var off atomic.Int64
			a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}, Now: func() time.Time { return now.Add(time.Duration(off.Load())) }})
			raw := token(tt.more)
			if cached {
				if _, err := call(a, bearer(raw)); err != nil {
					t.Fatal(tt.name, err)
				}
			}
			off.Store(int64(tt.off))
			if _, err := call(a, bearer(raw)); (err == nil) != tt.valid {
				t.Errorf("%s, cached %v: %v", tt.name, cached, err)
			}
		}
	}
}

// A8 on a real gRPC server, whose handler waits for a message.
func TestScenarioA8_overGRPC(t *testing.T) {
	s := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		for {
			if _, err := ss.Recv(); err != nil {
				return err
			}
			if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
		}
	}}
	client := serveGRPC(t, newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}}), s)
	exp := time.Now().Add(2 * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	raw := token(object{"exp": exp.Unix()})
	stream, err := client.FullDuplexCall(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal("while the token is valid:", err)
	}
	_, err = stream.Recv()
	if late := time.Since(exp); status.Code(err) != codes.Unauthenticated || late > 5*time.Second || late < -time.Second {
		t.Errorf("ended with %v, %v after the token", err, late)
	}
}

// A8 on a real HTTP server that sends events.
func TestScenarioA8_overHTTP(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	cause := make(chan error, 1)
	srv := httptest.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			_, _ = io.WriteString(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(50 * time.Millisecond):
			case <-r.Context().Done():
				cause <- context.Cause(r.Context())
				return
			}
		}
	}), enmesh.Fixed(false, a.Middleware())))
	defer srv.Close()
	exp := time.Now().Add(2 * time.Second)
	req, _ := http.NewRequest("GET", srv.URL, nil)
	req.Header.Set("Authorization", "Bearer "+token(object{"exp": exp.Unix()}))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	n := 0
	for events.Scan() {
		n++
	}
	if late := time.Since(exp); n < 2 || late > 5*time.Second || late < -time.Second {
		t.Errorf("%d lines, ended %v after the token", n, late)
	}
	if err := <-cause; !errors.Is(err, jwt.ErrExpired) {
		t.Errorf("the handler's context ended with %v", err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// A8 on a connection that the handler has taken over, and reads without looking at its context.
func TestScenarioA8_takenOver(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: []jwt.Rule{plain()}})
	ended := make(chan error, 1)
	srv := httptest.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, err = rw.ReadByte()
		ended <- err
	}), enmesh.Fixed(false, a.Middleware())))
	defer srv.Close()
	exp := time.Now().Add(2 * time.Second)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nAuthorization: Bearer "+
		token(object{"exp": exp.Unix()})+"\r\n\r\n")
	_ = conn.SetReadDeadline(exp.Add(20 * time.Second))
	answer, err := io.ReadAll(conn)
	if late := time.Since(exp); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") || late > 5*time.Second || late < -time.Second {
		t.Errorf("%.20q, then %v, %v after the token", answer, err, late)
	}
	if err := <-ended; err == nil {
		t.Error("the handler read on")
	}
}
