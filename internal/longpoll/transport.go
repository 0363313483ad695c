// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package longpoll

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
)

// ErrTooLarge ends the reading of an answer that is longer than allowed.
var ErrTooLarge = errors.New("the answer is too long")

// Transport stands under Consul's own client.
type Transport struct {
	Base      http.RoundTripper
	Most      int64  // bytes of an answer, after decompression
	TokenFile string // read again for every query, so that a rotated token counts; "" is the client's own token
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.Base.RoundTrip(t.authorized(r))
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{resp.Body, t.Most}
	if into, ok := r.Context().Value(tapKey{}).(*Tapped); ok {
		into.Header = resp.Header
		into.Body.Reset()
		resp.Body = &tapped{io.TeeReader(resp.Body, &into.Body), resp.Body}
	}
	return resp, nil
}

// CloseIdleConnections lets http.Client's reach the connections.
func (t *Transport) CloseIdleConnections() {
	(&http.Client{Transport: t.Base}).CloseIdleConnections()
}

// authorized is r with the token of the file. While that is missing or empty, as it may be
// when it is replaced, the client's token stays.
func (t *Transport) authorized(r *http.Request) *http.Request {
	if t.TokenFile == "" {
		return r
	}
	text, err := os.ReadFile(t.TokenFile)
	token := strings.TrimSpace(string(text))
	if err != nil || token == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Set("X-Consul-Token", token)
	return r
}

type tapKey struct{}

// Tapped is an answer as it came.
type Tapped struct {
	Header http.Header
	Body   bytes.Buffer
}

// Tap has the answer to a query written to into as well, as it is read by the client that a
// Transport stands under: for what that client would leave out.
func Tap(ctx context.Context, into *Tapped) context.Context {
	return context.WithValue(ctx, tapKey{}, into)
}

// tapped reads from one and closes another.
type tapped struct {
	io.Reader
	io.Closer
}

// bounded is a body that may have so many bytes and no more.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
