// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package longpoll

import (
	"errors"
	"io"
	"net/http"
)

// ErrTooLarge ends the reading of an answer that is longer than allowed.
var ErrTooLarge = errors.New("the answer is too long")

// Capped is base with answers of at most so many bytes, after decompression.
func Capped(base http.RoundTripper, most int64) http.RoundTripper { return capped{base, most} }

type capped struct {
	base http.RoundTripper
	most int64
}

// RoundTrip implements [http.RoundTripper].
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{resp.Body, c.most}
	return resp, nil
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
