// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// transport stands under Consul's client: it puts the token of the moment on each
// request, bounds what is read of an answer, and hands the answer of an [exchange] to
// whom it concerns as a stream, so that a list of any length is never held as text.
type transport struct {
	base    *http.Transport
	tokens  *tokens
	maxBody int64
}

// exchange is one query: what to do with the body of a 200, and what else the answer, or
// that there is nothing of that name, said.
type exchange struct {
	read   func(io.Reader) error
	last   string // where the answer before this one came from; "" anywhere
	moved  context.CancelCauseFunc
	header http.Header
	remote string // who answered
	token  bool   // whether there was a token
}

type exchangeKey struct{}

// errMoved ends a query that went to another server than the one its index is from.
var errMoved = errors.New("consul: another server answers at this address")

// with puts the exchange into a context. When the connection that the query got
// leads elsewhere than the last one, the query is given up with errMoved.
func (x *exchange) with(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, exchangeKey{}, x))
	x.moved = cancel
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: x.got}), cancel
}

func (x *exchange) got(info httptrace.GotConnInfo) {
	x.remote = info.Conn.RemoteAddr().String()
	if x.last != "" && x.last != x.remote {
		x.moved(errMoved)
	}
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	token := t.tokens.now()
	req.Header.Del("X-Consul-Token")
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	x, _ := req.Context().Value(exchangeKey{}).(*exchange)
	if x != nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound) {
		x.header, x.token = resp.Header, token != ""
	}
	if resp.StatusCode != http.StatusOK {
		const most = 4 << 10 // of the text of an error
		resp.Body = cut{io.LimitReader(resp.Body, most), resp.Body}
		return resp, nil
	}
	if resp.ContentLength > t.maxBody {
		resp.Body.Close()
		return nil, &Error{Reason: TooLarge, Err: fmt.Errorf("the answer has %d bytes", resp.ContentLength)}
	}
	body := &bounded{r: resp.Body, left: t.maxBody}
	if x == nil {
		resp.Body = cut{body, resp.Body}
		return resp, nil
	}
	defer resp.Body.Close()
	if err := x.read(body); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader("null")) // for the client, which decodes as well
	return resp, nil
}

// cut reads from one and closes another.
type cut struct {
	io.Reader
	io.Closer
}

// bounded is a body that may have so many bytes and no more.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &Error{Reason: TooLarge, Err: errors.New("the answer is longer than Config.MaxBody")}
	}
	return n, err
}

// newTransport is HTTP/1.1 with a connection for each query that blocks. There is no
// timeout for all requests: each has its own.
func newTransport(cfg *Config, dial dialer) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		TLSClientConfig:       cfg.TLS,
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   cfg.MaxWatches + 8,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// dialerOf is Config.Dial, or one that finds out about a dead host: probes after 15 s
// of silence, three of them 15 s apart.
func dialerOf(cfg *Config) dialer {
	if cfg.Dial != nil {
		return cfg.Dial
	}
	d := net.Dialer{
		Timeout:         5 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 3},
	}
	if path, ok := strings.CutPrefix(cfg.Address, "unix://"); ok {
		return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }
	}
	return d.DialContext
}
