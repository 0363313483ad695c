// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package breaker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience/breaker"

	"github.com/enmesh-go/enmesh/meshhttp"
)

// pausedURL tells a child process of the test whom to call.
const pausedURL = "ENMESH_TEST_PAUSED_URL"

const callers = 10

// S8: a process that is stopped for a while finds, when it goes on, that whatever it had
// in flight has timed out. That says nothing about the far side, and the breaker knows;
// the control, a plain gobreaker with the same threshold beside it, trips.
func TestScenarioS8_ownPauseDoesNotTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("it stops a process for two seconds")
	}
	var frozen atomic.Pointer[chan struct{}]
	var waiting atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if thaw := frozen.Load(); thaw != nil {
			waiting.Add(1)
			<-*thaw
		}
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestPausedChild$")
	child.Env = append(os.Environ(), pausedURL+"="+srv.URL)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil { // it has made calls for a while
		t.Fatal(err)
	}
	thaw := make(chan struct{})
	frozen.Store(&thaw)
	within(t, func() bool { return waiting.Load() >= callers })
	signal(t, child, syscall.SIGSTOP)
	<-time.After(2 * time.Second)
	signal(t, child, syscall.SIGCONT)
	<-time.After(100 * time.Millisecond)
	frozen.Store(nil)
	close(thaw)
	<-time.After(300 * time.Millisecond)
	_ = in.Close()
	var state string
	var failures, trips, control int
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "%s %d %d %d", &state, &failures, &trips, &control); err != nil {
		t.Fatalf("the child says %q: %v", line, err)
	}
	_, _ = io.Copy(io.Discard, lines)
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls failed across the pause; breaker %s after %d trips, gobreaker tripped %d times", failures, state, trips, control)
	if failures < breaker.DefaultConsecutiveFailures || control == 0 {
		t.Errorf("%d calls failed and the control tripped %d times: the pause had no effect", failures, control)
	}
	if state != "closed" || trips != 0 {
		t.Errorf("breaker is %s after %d trips, want closed and none", state, trips)
	}
}

func within(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 20s")
		}
	}
}

func signal(t *testing.T, c *exec.Cmd, s os.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

var errTooSlow = &enmesh.Error{
	Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Flag: enmesh.FlagTimeout, Policy: "breaker_test", Err: errors.New("too slow"),
}

// TestPausedChild is the process that is stopped.
func TestPausedChild(t *testing.T) {
	url := os.Getenv(pausedURL)
	if url == "" {
		t.Skip("it is part of TestScenarioS8_ownPauseDoesNotTrip")
	}
	var trips, control, failures atomic.Int64
	ours := mustNewWith(t, breaker.Config{}, breaker.OnChange(func(c breaker.Change) {
		if c.To == breaker.Open {
			trips.Add(1)
		}
	}))
	plain := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breaker.DefaultConsecutiveFailures },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				control.Add(1)
			}
		},
	})
	attempt := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			ctx, cancel := context.WithTimeoutCause(ctx, 500*time.Millisecond, errTooSlow)
			defer cancel()
			done, _ := plain.Allow()
			err := next(ctx, c)
			if enmesh.OutcomeOf(err) == enmesh.Failure {
				failures.Add(1)
			}
			if done != nil {
				done(err)
			}
			return err
		}
	}
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false, ours.Middleware(), attempt), nil)
	defer tr.Close()
	stop, cancel := context.WithCancel(t.Context())
	defer cancel()
	var made atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for stop.Err() == nil {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				if resp, err := (&http.Client{Transport: tr}).Do(req); err == nil {
					_ = resp.Body.Close()
				}
				made.Add(1)
				<-time.After(5 * time.Millisecond)
			}
		})
	}
	within(t, func() bool { return made.Load() > 200 })
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Println(ours.State(), failures.Load(), trips.Load(), control.Load())
	cancel()
	wg.Wait()
}
