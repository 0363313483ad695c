// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/enmesh-go/enmesh"
)

// absorbLimit is how much is read of the answer to a copy, so that its connection can
// be used again.
const absorbLimit = 64 << 10

var _ enmesh.Copier = (*exchange)(nil)

// Copy makes the request a second time, with a body of at most the [ReplayLimit] that
// is kept or can be had again. An upgrade is not copied, nor anything without a Source:
// the copy could go nowhere but where the call goes.
func (x *exchange) Copy(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	if x.t.source == nil {
		return nil, fmt.Errorf("%w: the transport has no Source", enmesh.ErrNoCopy)
	}
	if x.in.Method == http.MethodConnect || x.header.m["Upgrade"] != nil {
		return nil, fmt.Errorf("%w: it leaves HTTP", enmesh.ErrNoCopy)
	}
	kept, err := x.bodyTwice()
	if err != nil {
		return nil, err
	}
	in := x.in.WithContext(ctx)
	u := *x.in.URL
	in.URL, in.Header, in.Trailer = &u, x.header.m.Clone(), nil
	in.Body, in.GetBody, in.TransferEncoding, in.ContentLength = nil, nil, nil, 0
	if kept != nil {
		in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(*kept)), int64(len(*kept))
	}
	in.Header.Del("Expect")
	y := &exchange{t: x.t, in: in, out: new(lasting), kept: kept, copied: true}
	y.k.Duplicate(ctx, y, c)
	y.k.Lend(&y.hooks)
	y.header.m = in.Header
	y.k.Call.Header = &y.header
	return &y.k, nil
}

// bodyTwice is the request's body once more; nil: it has none.
func (x *exchange) bodyTwice() (*[]byte, error) {
	n := x.in.ContentLength
	switch {
	case !x.hasBody():
		return nil, nil
	case x.kept != nil:
		return x.kept, nil
	case n <= 0 || n > x.t.cfg.replayLimit || x.in.GetBody == nil:
		return nil, fmt.Errorf("%w: its body, of %d bytes, is not kept", enmesh.ErrNoCopy, n)
	}
	body, err := x.in.GetBody()
	if err != nil {
		return nil, fmt.Errorf("%w: its body: %w", enmesh.ErrNoCopy, err)
	}
	defer closeBody(body)
	kept := make([]byte, n)
	if _, err := io.ReadFull(body, kept); err != nil {
		return nil, fmt.Errorf("%w: its body: %w", enmesh.ErrNoCopy, err)
	}
	return &kept, nil
}

// absorb ends the answer to a copy: a success as far as anybody looks.
func (x *exchange) absorb(resp *http.Response) {
	if resp.Body != nil {
		if resp.StatusCode != http.StatusSwitchingProtocols {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, absorbLimit)) // whatever ends it, it is closed next
		}
		_ = resp.Body.Close() // nobody waits for this answer
	}
	x.release(nil, enmesh.Now())
}
