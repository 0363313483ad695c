// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
)

var errDown = errors.New("down")

func TestLedger_isOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, id string) (string, error) {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(time.Second):
				return "a", nil
			}
		}
		begin := time.Now()
		l := ledger.Start(t.Context(), ledger.Config{Call: slow, Rate: 100, For: 2 * time.Second})
		time.Sleep(500*time.Millisecond - 1)
		if got := l.Open(); got != 50 {
			t.Errorf("under way after half a second: got %d, want 50", got)
		}
		r := l.Wait()
		if took := time.Since(begin); took != 2990*time.Millisecond {
			t.Errorf("took %v, want 2.99s: the last call begins at 1.99 s", took)
		}
		if r.Sent != 200 || r.OK != 200 || r.Lost != 0 || r.P50 != time.Second || r.Max != time.Second || r.Late != 0 {
			t.Errorf("got %v", r)
		}
		if got := r.Last.Sub(r.First); got != 1990*time.Millisecond {
			t.Errorf("from the first to the last: got %v, want 1.99s", got)
		}
	})
}

func TestLedger_countsWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		call := func(_ context.Context, id string) (string, error) {
			if now := time.Since(begin); now >= time.Second && now < 3*time.Second {
				return "", errDown
			}
			return "a", nil
		}
		l := ledger.Start(t.Context(), ledger.Config{Call: call, Rate: 10, For: 5 * time.Second})
		r := l.Wait()
		if r.Sent != 50 || r.OK != 30 || r.Lost != 20 || r.Errors["down"] != 20 || r.Gap != 2*time.Second {
			t.Errorf("got %v, want 50 sent, 20 lost as down, a gap of 2 s", r)
		}
		if r := l.Between(begin.Add(time.Second), begin.Add(3*time.Second)); r.Sent != 20 || r.Lost != 20 {
			t.Errorf("in the outage: got %v, want 20 sent and lost", r)
		}
		if text := r.String(); !strings.Contains(text, "50 sent, 30 ok, 20 lost") || !strings.Contains(text, "20 times down") {
			t.Errorf("String: got %q", text)
		}
	})
}

func TestLedger_boundsWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		l := ledger.Start(t.Context(), ledger.Config{Call: hang, Rate: 10, For: time.Second, Timeout: 3 * time.Second, MaxOpen: 4})
		r := l.Wait()
		if r.Sent != 10 || r.Errors[ledger.ErrFull.Error()] != 6 || r.Errors[context.DeadlineExceeded.Error()] != 4 {
			t.Errorf("got %v, want 6 not sent and 4 out of time", r)
		}
	})
}

func TestLedger_stops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ok := func(context.Context, string) (string, error) { return "", nil }
		l := ledger.Start(t.Context(), ledger.Config{Call: ok, Rate: 10})
		time.Sleep(time.Second - 1)
		l.Stop()
		if r := l.Wait(); r.Sent != 10 {
			t.Errorf("got %v, want 10 sent", r)
		}
	})
}

// resend sends every call twice, when the first attempt was answered with 503.
type resend struct{ next http.RoundTripper }

func (r resend) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		return resp, err
	}
	resp.Body.Close()
	return r.next.RoundTrip(req.Clone(req.Context()))
}

func TestReceipts_countDuplicates(t *testing.T) {
	ledger.Baseline(t)
	var receipts ledger.Receipts
	var n atomic.Int64
	srv := httptest.NewServer(receipts.Handler("a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%10 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})))
	defer srv.Close()
	client := &http.Client{Transport: resend{srv.Client().Transport}}
	l := ledger.Start(t.Context(), ledger.Config{
		Call: ledger.HTTP(client, http.MethodGet, srv.URL), Rate: 500, For: 180 * time.Millisecond, Prefix: "x-",
	})
	r := l.Wait().With(&receipts)
	// Every tenth of some hundred attempts fails; a second one may fail as well.
	if r.Sent != 90 || r.Attempts != r.Sent+r.Duplicated || r.Duplicated < 5 || r.Duplicated > 11 ||
		r.Unserved != 0 || r.Unended != 0 || r.Servers["a"] != r.OK {
		t.Errorf("got %v", r)
	}
	if got := receipts.Servers("x-0"); len(got) == 0 || got[0] != "a" {
		t.Errorf("servers of the first call: got %v, want a", got)
	}
}

func TestReceipts_travelAsJSON(t *testing.T) {
	var one, two, all ledger.Receipts
	one.Begin("1", "a")()
	one.Begin("2", "a")()
	two.Begin("2", "b")
	for _, r := range []*ledger.Receipts{&one, &two} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
	}
	ok := func(context.Context, string) (string, error) { return "a", nil }
	r := ledger.Start(t.Context(), ledger.Config{Call: ok, Rate: 1000, For: 4 * time.Millisecond}).Wait().With(&all)
	if r.Attempts != 3 || r.Duplicated != 1 || r.Unended != 1 || r.Unserved != 2 {
		t.Errorf("got %v, want 3 attempts, 1 duplicated, 1 unended, 2 unserved", r)
	}
}

func TestHTTP_readsToTheEnd(t *testing.T) {
	ledger.Baseline(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(ledger.ServerKey, "a")
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("half"))
		case "/404":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	for path, want := range map[string]string{"/": "<nil>", "/404": "status 404", "/cut": "body: unexpected EOF"} {
		server, err := ledger.HTTP(srv.Client(), http.MethodGet, srv.URL+path)(t.Context(), "1")
		got := "<nil>"
		if err != nil {
			got = err.Error()
		}
		if got != want || server != "a" {
			t.Errorf("%s: got %q from %q, want %q from a", path, got, server, want)
		}
	}
}

func TestShort(t *testing.T) {
	for _, c := range []struct {
		env  string
		d    time.Duration
		want time.Duration
	}{
		{"", time.Minute, 15 * time.Second},
		{"", time.Second, time.Second},
		{"full", time.Minute, time.Minute},
	} {
		t.Setenv("ENMESH_SCENARIOS", c.env)
		if got := ledger.Short(c.d); got != c.want {
			t.Errorf("Short(%v) with %q: got %v, want %v", c.d, c.env, got, c.want)
		}
	}
}

// complaints is a test that records what it is told and runs its clean-ups by hand.
type complaints struct {
	testing.TB
	cleanups []func()
	errors   int
}

func (c *complaints) Helper()               {}
func (c *complaints) Cleanup(f func())      { c.cleanups = append(c.cleanups, f) }
func (c *complaints) Errorf(string, ...any) { c.errors++ }
func (c *complaints) Logf(string, ...any)   {}

func TestBaseline_findsALeak(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for 5 s")
	}
	c := &complaints{TB: t}
	ledger.Baseline(c)
	release := make(chan struct{})
	defer close(release)
	for range 20 { // more than what other tests may leave and end meanwhile
		go func() { <-release }()
	}
	c.cleanups[0]()
	if c.errors != 1 {
		t.Errorf("twenty goroutines more: got %d complaints, want 1", c.errors)
	}
}

func BenchmarkLedger(b *testing.B) {
	b.ReportAllocs()
	ok := func(context.Context, string) (string, error) { return "a", nil }
	l := ledger.Start(b.Context(), ledger.Config{Call: ok, Rate: 1_000_000, For: time.Duration(b.N) * time.Microsecond})
	r := l.Wait()
	if r.Lost != 0 {
		b.Fatalf("%d lost", r.Lost)
	}
}
