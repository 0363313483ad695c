// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// twin copies every call and leaves the copy for the test to run.
func twin(copies chan<- *enmesh.Carrier, errs *atomic.Value) enmesh.Middleware {
	return before(func(_ context.Context, c *enmesh.Call) error {
		c.Header.Set("X-Policy", "1")
		k, err := c.Copy(context.Background())
		if err != nil {
			errs.Store(err)
			return nil
		}
		k.Call.Header.Set("X-Copy", "1")
		k.Call.Authority += "-shadow"
		copies <- k
		return nil
	})
}

// runCopy sends a copy as a policy would.
func runCopy(k *enmesh.Carrier, r enmesh.Router) error {
	k.Enter(r)
	err := k.Run()
	k.Finish(err)
	return err
}

func TestTransport_copyIsACallOfItsOwn(t *testing.T) {
	type seen struct {
		copied, own, policy, host, body string
		length                          int64
	}
	calls := make(chan seen, 2)
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		calls <- seen{r.Header.Get("X-Copy"), r.Header.Get("X-Own"), r.Header.Get("X-Policy"), r.Host, string(b), r.ContentLength}
		_, _ = io.WriteString(w, strings.Repeat("x", 8<<10))
	}))
	for name, request := range map[string]func() (*http.Request, []byte){
		"without a body": func() (*http.Request, []byte) {
			req, _ := http.NewRequest(http.MethodGet, "http://svc/a%2Fb?c", nil)
			return req, nil
		},
		"GetBody": func() (*http.Request, []byte) {
			text := []byte("text")
			req, _ := http.NewRequest(http.MethodPost, "http://svc/a%2Fb?c", bytes.NewReader(text))
			return req, text
		},
		"kept": func() (*http.Request, []byte) {
			text := []byte("text")
			req, _ := http.NewRequest(http.MethodPost, "http://svc/a%2Fb?c", io.MultiReader(bytes.NewReader(text)))
			req.ContentLength = 4
			return req, text
		},
	} {
		t.Run(name, func(t *testing.T) {
			copies, guard := make(chan *enmesh.Carrier, 1), &recorder{}
			client := w.client(t, nil, true, twin(copies, new(atomic.Value)))
			req, text := request()
			want := string(text)
			req.Header.Set("X-Own", "mine")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = body(t, resp)
			if got := <-calls; got != (seen{"", "mine", "1", "svc", want, int64(len(want))}) {
				t.Errorf("the call was %+v", got)
			}
			req.Header.Set("X-Own", "reused") // the caller has the request back
			req.URL.Path = "/reused"
			copy(text, "####")

			before := w.gate.done.Load()
			if err := runCopy(<-copies, enmesh.Fixed(false, enmesh.Guard(guard))); err != nil {
				t.Errorf("the copy: %v", err)
			}
			if got := <-calls; got != (seen{"1", "mine", "1", "svc-shadow", want, int64(len(want))}) {
				t.Errorf("the copy was %+v", got)
			}
			guard.settled(t, 1)
			if got := w.gate.outcomes(); w.gate.done.Load() != before+1 || got[len(got)-1] != enmesh.Success {
				t.Errorf("the endpoint's gate heard %v, want one success more", got)
			}
		})
	}
}

func TestTransport_copyLeavesItsConnectionForTheNext(t *testing.T) {
	conns := map[string]bool{}
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conns[r.RemoteAddr] = true
		for range 8 { // of unknown length
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
		}
	}))
	copies := make(chan *enmesh.Carrier, 1)
	client := w.client(t, nil, true, twin(copies, new(atomic.Value)))
	for range 5 {
		_, _ = get(t, client, "http://svc/")
		if err := runCopy(<-copies, enmesh.Fixed(false)); err != nil {
			t.Error(err)
		}
	}
	if len(conns) != 1 {
		t.Errorf("%d connections for calls one after the other, want 1", len(conns))
	}
}

// A copy would be sent to the very host of the call, and do everything twice.
func TestTransport_withoutASourceNothingIsCopied(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	copies, refused := make(chan *enmesh.Carrier, 1), new(atomic.Value)
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false, twin(copies, refused)), nil)
	defer tr.CloseIdleConnections()
	_, _ = get(t, &http.Client{Transport: tr}, w.srv.URL)
	if err, _ := refused.Load().(error); !errors.Is(err, enmesh.ErrNoCopy) || len(copies) != 0 {
		t.Errorf("copied with %v, want ErrNoCopy", err)
	}
}

func TestTransport_whatCannotBeCopied(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	large := strings.Repeat("x", 65<<10)
	for name, request := range map[string]func() *http.Request{
		"large": func() *http.Request {
			req, _ := http.NewRequest(http.MethodPost, "http://svc/", strings.NewReader(large))
			return req
		},
		"of unknown length": func() *http.Request {
			req, _ := http.NewRequest(http.MethodPost, "http://svc/", io.MultiReader(strings.NewReader("x")))
			return req
		},
		"GetBody that fails": func() *http.Request {
			req, _ := http.NewRequest(http.MethodPost, "http://svc/", strings.NewReader("x"))
			req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("no") }
			return req
		},
		"GetBody that lies": func() *http.Request {
			req, _ := http.NewRequest(http.MethodPost, "http://svc/", strings.NewReader("xx"))
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
			return req
		},
		"upgrade": func() *http.Request {
			req, _ := http.NewRequest(http.MethodGet, "http://svc/", nil)
			req.Header.Set("Upgrade", "x")
			req.Header.Set("Connection", "upgrade")
			return req
		},
	} {
		t.Run(name, func(t *testing.T) {
			copies, refused := make(chan *enmesh.Carrier, 1), new(atomic.Value)
			resp, err := w.client(t, nil, true, twin(copies, refused)).Do(request())
			if err != nil {
				t.Fatal(err)
			}
			_ = body(t, resp)
			if err, _ := refused.Load().(error); !errors.Is(err, enmesh.ErrNoCopy) || len(copies) != 0 {
				t.Errorf("copied with %v, want ErrNoCopy", err)
			}
		})
	}
}
