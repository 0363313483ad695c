// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/fallback"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/throttle"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// eachStream runs f for every kind of stream.
func eachStream(t *testing.T, f func(t *testing.T, k streamKind)) {
	t.Helper()
	for _, k := range streamKinds {
		t.Run(k.name, func(t *testing.T) {
			ledger.Baseline(t)
			f(t, k)
		})
	}
}

// resent is what a kind's server sees of a stream that fails before its head and is tried three times at
// most: a server-streaming one is not handed out before its head, the others are open by then.
func resent(k streamKind) int64 {
	if k.name == "server-streaming" {
		return 3
	}
	return 1
}

func newRetry(t *testing.T, attempts int) enmesh.Middleware {
	t.Helper()
	on, err := retry.ParseOn("unavailable,reset,connect-failure")
	if err != nil {
		t.Fatal(err)
	}
	m, err := retry.New(retry.Config{MaxAttempts: attempts, On: on, BaseBackoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Nobody listens, and a stream is tried until somebody does. It is played once.
func TestScenario_streamsAreRetriedUntilOpen(t *testing.T) {
	eachStream(t, func(t *testing.T, k streamKind) {
		l := loopback(t)
		addr := l.Addr().String()
		_ = l.Close() // nobody has connected
		a := newAudience(t, k, addr, "", newRetry(t, 100))
		ended := make(chan error, 1)
		go func() { ended <- a.watch() }()
		poll(t, 10*time.Second, "two attempts have failed", func() bool { return len(a.attempt.Results()) >= 2 })
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		s := &stage{released: make(chan struct{})}
		s.open(t, l)
		if err := <-ended; err != nil || s.starts.Load() != 1 {
			t.Errorf("the stream ended with %v and was played %d times, want a good end and once", err, s.starts.Load())
		}
		settled(t, &a.call, &a.attempt)
		outcomes := a.attempt.Outcomes()
		t.Logf("%d attempts", len(outcomes))
		for i, o := range outcomes {
			if last := i == len(outcomes)-1; last != (o == enmesh.Success) {
				t.Errorf("attempt %d of %d: %v, want one success, the last", i+1, len(outcomes), o)
			}
		}
		if got := a.call.Outcomes(); len(got) != 1 || got[0] != enmesh.Success {
			t.Errorf("the call's outcomes are %v, want one success", got)
		}
	})
}

// A stream that breaks after it was open is not sent again, whatever breaks it.
func TestScenario_openStreamsAreNotRetried(t *testing.T) {
	for _, tt := range []struct {
		name string
		does act
		cut  bool // the server is stopped
	}{{"before its head", failsFirst, false}, {"after its head", failsLater, false}, {"connection lost", hangs, true}} {
		t.Run(tt.name, func(t *testing.T) {
			eachStream(t, func(t *testing.T, k streamKind) {
				s := newStage(t, tt.does)
				a := newAudience(t, k, s.addr, "", newRetry(t, 3))
				want := int64(1)
				if tt.does == failsFirst {
					want = resent(k)
				}
				stream, read, err := a.open()
				if err == nil && tt.cut {
					if _, err := stream.Header(); err != nil {
						t.Error(err)
					}
					s.server.Stop()
				}
				if err == nil {
					err = read()
				}
				if status.Code(err) != codes.Unavailable {
					t.Errorf("the stream ended with %v, want UNAVAILABLE", err)
				}
				if got := s.starts.Load(); got != want {
					t.Errorf("the stream was played %d times, want %d", got, want)
				}
				a.settled(1, int(want))
			})
		})
	}
}

// What stands before a stream's server admits or refuses it once, as a whole, and has its place
// back when the stream has ended.
func TestScenario_streamsMeetAServersPolicies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		gate  func(t *testing.T) (g enmesh.Gate, inFlight, waiting func() int64)
		waits int64
	}{
		{"shed", func(t *testing.T) (enmesh.Gate, func() int64, func() int64) {
			g, err := shed.New(shed.Config{CPU: -1, InFlight: 1})
			if err != nil {
				t.Fatal(err)
			}
			return g, g.InFlight, func() int64 { return 0 }
		}, 0},
		{"queue", func(t *testing.T) (enmesh.Gate, func() int64, func() int64) {
			g, err := shed.NewQueue(shed.QueueConfig{Slots: 1, Waiting: 1, Interval: time.Minute, Target: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			return g, g.InFlight, g.Waiting
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachStream(t, func(t *testing.T, k streamKind) {
				gate, inFlight, waiting := tt.gate(t)
				var came, went enmeshtest.Gate
				s := newStage(t, hangs, enmesh.Guard(&came), enmesh.Guard(gate), enmesh.Guard(&went))
				a := newAudience(t, k, s.addr, "")
				ended := make(chan error, 2)
				go func() { ended <- a.watch() }()
				poll(t, 10*time.Second, "the first plays", func() bool { return s.starts.Load() == 1 })
				for range tt.waits {
					go func() { ended <- a.watch() }()
				}
				poll(t, 10*time.Second, "the second waits", func() bool { return waiting() == tt.waits })
				if err := a.watch(); status.Code(err) != codes.Unavailable && status.Code(err) != codes.ResourceExhausted {
					t.Errorf("one too many ended with %v, want a refusal", err)
				}
				if s.starts.Load() != 1 || inFlight() != 1 {
					t.Errorf("%d were played and %d are in flight, want 1 and 1", s.starts.Load(), inFlight())
				}
				s.release()
				for range 1 + tt.waits {
					if err := <-ended; err != nil {
						t.Errorf("one that was admitted ended with %v", err)
					}
				}
				settled(t, &came, &went)
				if got, want := int64(went.Admits()), 1+tt.waits; got != want || int64(came.Admits()) != want+1 || inFlight() != 0 || waiting() != 0 {
					t.Errorf("%d of %d were admitted, %d are in flight and %d wait; want %d of %d, and none",
						got, came.Admits(), inFlight(), waiting(), want, want+1)
				}
				if err := a.watch(); err != nil {
					t.Errorf("after them: %v, want a good end", err)
				}
				a.settled(int(tt.waits)+3, int(tt.waits)+3)
			})
		})
	}
}

// A breaker and a throttle hear how streams end, and then refuse the next one before it is sent.
func TestScenario_streamsTripGates(t *testing.T) {
	for _, tt := range []struct {
		name string
		gate func(t *testing.T) (enmesh.Gate, error)
		ends int // that are needed
	}{
		{"breaker", func(t *testing.T) (enmesh.Gate, error) {
			g, err := breaker.New(breaker.Config{ConsecutiveFailures: 2, OpenFor: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return g, breaker.ErrOpen
		}, 2},
		{"throttle", func(t *testing.T) (enmesh.Gate, error) {
			always := throttle.Draw(func(uint32) uint32 { return 0 })
			g, err := throttle.New(throttle.Config{MinRequests: 1, MinPerSecond: -1}, always)
			if err != nil {
				t.Fatal(err)
			}
			return g, throttle.ErrThrottled
		}, 1},
	} {
		for _, does := range []act{failsFirst, failsLater} {
			t.Run(tt.name, func(t *testing.T) {
				eachStream(t, func(t *testing.T, k streamKind) {
					gate, refusal := tt.gate(t)
					s := newStage(t, does)
					a := newAudience(t, k, s.addr, "", enmesh.Guard(gate))
					for i := range tt.ends {
						if err := a.watch(); status.Code(err) != codes.Unavailable || errors.Is(err, refusal) {
							t.Errorf("stream %d ended with %v, want what the server said", i, err)
						}
						a.settled(i+1, i+1)
					}
					if err := a.watch(); !errors.Is(err, refusal) {
						t.Errorf("the next ended with %v, want %v", err, refusal)
					}
					a.settled(tt.ends+1, tt.ends)
					if got := s.starts.Load(); got != int64(tt.ends) {
						t.Errorf("%d were played, want %d", got, tt.ends)
					}
				})
			})
		}
	}
}

// A stream that cannot be opened goes to another destination, and a server-streaming one also when
// the far side fails before its head. One that is open stays where it is.
func TestScenario_streamsFallBackElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name    string
		does    act // negative: nobody listens
		instead func(k streamKind) bool
	}{
		{"nobody listens", -1, func(streamKind) bool { return true }},
		{"before its head", failsFirst, func(k streamKind) bool { return resent(k) > 1 }},
		{"after its head", failsLater, func(streamKind) bool { return false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachStream(t, func(t *testing.T, k streamKind) {
				other, err := fallback.New(fallback.Config{Destination: enmesh.Destination{Service: "spare"}})
				if err != nil {
					t.Fatal(err)
				}
				first, spare := newStage(t, tt.does), newStage(t, plays)
				starts := int64(1)
				if tt.does < 0 {
					starts = 0
					first.server.Stop()
				}
				a := newAudience(t, k, first.addr, spare.addr, other)
				stream, read, err := a.open()
				if err == nil {
					err = read()
				}
				want, mark := codes.Unavailable, 0
				if tt.instead(k) {
					want, mark = codes.OK, 1
				}
				if status.Code(err) != want || first.starts.Load() != starts || spare.starts.Load() != int64(mark) {
					t.Errorf("ended with %v, played %d times by the first and %d by the spare; want %v, %d and %d",
						err, first.starts.Load(), spare.starts.Load(), want, starts, mark)
				}
				a.settled(1, 1)
				if mark == 1 && k.name == "server-streaming" {
					if head, err := stream.Header(); err != nil || len(head.Get(fallback.Header)) != 1 {
						t.Errorf("the head is %v, %v; want it to say that it is a fallback", head, err)
					}
				}
			})
		})
	}
}

// timeout.Attempt bounds the time to a server-streaming call's head, and of the others that of the
// opening: what comes after that may last.
func TestScenario_streamsAndTheAttemptsTimeout(t *testing.T) {
	const limit = 2 * time.Second // a loaded machine needs some for a head
	play := func(t *testing.T, k streamKind, does act, want codes.Code) {
		ledger.Baseline(t)
		s := newStage(t, plays)
		a := newAudience(t, k, s.addr, "", timeout.Attempt(limit))
		if err := a.watch(); err != nil { // so that a connection is there
			t.Fatal(err)
		}
		s.does.Store(int32(does))
		ended := make(chan error, 1)
		go func() { ended <- a.watch() }()
		if want == codes.OK {
			poll(t, 10*time.Second, "it has begun", func() bool { return s.starts.Load() == 2 })
			<-time.After(limit + limit/10)
			s.release()
		}
		if err := <-ended; status.Code(err) != want {
			t.Errorf("ended with %v, want %v", err, want)
		}
		a.settled(2, 2)
		if got := s.starts.Load(); got != 2 {
			t.Errorf("%d were played, want 2", got)
		}
	}
	t.Run("no head", func(t *testing.T) { play(t, streamKinds[0], waits, codes.DeadlineExceeded) })
	for _, k := range streamKinds {
		t.Run(k.name+" goes on", func(t *testing.T) { play(t, k, hangs, codes.OK) })
	}
}
