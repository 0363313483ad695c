// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// once counts what it admitted and what was done, and which call each was.
type once struct {
	admitted, done atomic.Int64
	open           sync.Map // token -> path
	wrong          atomic.Int64
}

func (g *once) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	n := uint64(g.admitted.Add(1))
	g.open.Store(n, c.Query)
	return enmesh.Token{N: n}, nil
}

func (g *once) Done(t enmesh.Token, r enmesh.Result) {
	g.done.Add(1)
	query, had := g.open.LoadAndDelete(t.N)
	if !had || query != r.Call.Query {
		g.wrong.Add(1)
	}
}

// echoing answers with the request's query and a body.
func echoing(t *testing.T, opts ...meshhttp.ClientOption) (*meshhttp.Transport, *once, *[]context.Context) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.URL.RawQuery)
	}))
	gate, contexts := new(once), new([]context.Context)
	var mu sync.Mutex
	seen := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			mu.Lock()
			*contexts = append(*contexts, ctx)
			mu.Unlock()
			return next(ctx, c)
		}
	}
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"svc": endpoints(srv.Listener.Addr().String())}, balance.PowerOfTwo())
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, enmesh.Guard(gate), seen, enmesh.Guard(gate), enmesh.Guard(gate), enmesh.Guard(gate)), source, opts...)
	t.Cleanup(func() { _ = tr.Close(); srv.Close() })
	return tr, gate, contexts
}

// A record that serves another call must not be found, nor ended, through what the
// call before left with its caller.
func TestTransport_aRecordIsUsedAgain(t *testing.T) {
	for name, opts := range map[string][]meshhttp.ClientOption{"as it comes": nil, "end on cancel": {meshhttp.EndOnCancel()}} {
		t.Run(name, func(t *testing.T) {
			tr, gate, contexts := echoing(t, opts...)
			const workers, calls = 8, 200
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					var before io.Closer
					for n := range calls {
						query := strings.Repeat("q", w+1) + string(rune('a'+n%26))
						ctx, cancel := context.WithCancel(t.Context())
						req := must(http.NewRequestWithContext(ctx, "POST", "http://svc/?"+query, strings.NewReader("body")))
						resp, err := tr.RoundTrip(req)
						if err != nil {
							t.Error(err)
							cancel()
							return
						}
						if before != nil {
							_ = before.Close() // long over
						}
						got, err := io.ReadAll(resp.Body)
						if err != nil || string(got) != query {
							t.Errorf("got %q, %v, want %q", got, err, query)
						}
						before = resp.Body
						cancel()
					}
					_ = before.Close()
				})
			}
			wg.Wait()
			if a, d := gate.admitted.Load(), gate.done.Load(); a != 4*workers*calls || d != a {
				t.Errorf("%d admitted and %d done, want %d of each", a, d, 4*workers*calls)
			}
			if n := gate.wrong.Load(); n != 0 {
				t.Errorf("%d ends were told of another call", n)
			}
			for _, ctx := range *contexts {
				if c := enmesh.FromContext(ctx); c != nil {
					t.Fatalf("the context of a call that is over finds the call of %q", c.Query)
				}
			}
		})
	}
}

// What a handler leaves behind when it returns must not find, nor write to, the record
// of a later request.
func TestHandler_aRecordIsUsedAgain(t *testing.T) {
	gate := new(once)
	var left sync.WaitGroup
	var wrong atomic.Int64
	var contexts sync.Map
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, query := r.Context(), r.URL.RawQuery
		contexts.Store(ctx, query)
		if strings.HasSuffix(query, "a") { // this one knows its call, and keeps it
			c := enmesh.FromContext(ctx)
			left.Go(func() {
				<-ctx.Done() // the request is over
				if c.Query != query {
					wrong.Add(1)
				}
			})
		}
		left.Go(func() {
			<-ctx.Done()
			if c := enmesh.FromContext(ctx); c != nil && c.Query != query {
				wrong.Add(1)
			}
			if r.URL.RawQuery != query {
				wrong.Add(1)
			}
		})
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, query)
	})
	h := meshhttp.NewHandler(inner, enmesh.Fixed(false, enmesh.Guard(gate), enmesh.Guard(gate), enmesh.Guard(gate), enmesh.Guard(gate)))
	srv := httptest.NewServer(h)
	defer srv.Close()
	const workers, calls = 8, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range calls {
				query := strings.Repeat("q", w+1) + string(rune('a'+n%26))
				resp, err := srv.Client().Post(srv.URL+"/?"+query, "text/plain", strings.NewReader("body"))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || string(got) != query {
					t.Errorf("got %q, %v, want %q", got, err, query)
				}
			}
		})
	}
	wg.Wait()
	srv.Close()
	left.Wait()
	if a, d := gate.admitted.Load(), gate.done.Load(); a != 4*workers*calls || d != a {
		t.Errorf("%d admitted and %d done, want %d of each", a, d, 4*workers*calls)
	}
	if n := gate.wrong.Load(); n != 0 {
		t.Errorf("%d ends were told of another call", n)
	}
	if n := wrong.Load(); n != 0 {
		t.Errorf("%d times a goroutine of an older request found a later one", n)
	}
	contexts.Range(func(ctx, query any) bool {
		c := enmesh.FromContext(ctx.(context.Context))
		if c != nil && c.Query != query {
			t.Fatalf("the context of %v finds the call of %q", query, c.Query)
		}
		return true
	})
}

// The limit of a policy, or the caller's own deadline, passes as the handler ends: the timer
// may look at the Call when it is over, and so may what the handler left behind.
func TestHandler_aRecordThatATimerKnows(t *testing.T) {
	const limit = 2 * time.Millisecond
	for name, tt := range map[string]struct {
		header string
		chain  []enmesh.Middleware
	}{
		"a policy's limit":      {"", []enmesh.Middleware{timeout.Overall(limit)}},
		"the caller's deadline": {"2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var left sync.WaitGroup
			h := meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx := r.Context()
				wait := time.NewTimer(limit - 100*time.Microsecond + time.Duration(rand.IntN(200))*time.Microsecond)
				defer wait.Stop()
				select {
				case <-wait.C:
				case <-ctx.Done():
				}
				left.Go(func() { _, _ = ctx.Deadline() })
				_, _ = io.WriteString(w, "done")
			}), enmesh.Fixed(false, tt.chain...))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 150 {
						r := httptest.NewRequest("GET", "/", http.NoBody)
						if tt.header != "" {
							r.Header.Set(meshhttp.DefaultDeadlineHeader, tt.header)
						}
						w := httptest.NewRecorder()
						h.ServeHTTP(w, r)
						if w.Code != http.StatusOK && w.Code != http.StatusGatewayTimeout {
							t.Errorf("status %d, want 200 or 504", w.Code)
						}
					}
				})
			}
			wg.Wait()
			left.Wait()
		})
	}
}
