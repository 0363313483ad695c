// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/enmesh-go/enmesh/balance"
)

// HTTPConfig says what an HTTP check asks, and which answers are good. It is
// comparable.
type HTTPConfig struct {
	Path   string // with its query, if any. "/"
	Host   string // of the Host header. The endpoint's address
	Method string // "GET"
	// Expect are the statuses of an endpoint that is well: numbers and ranges, with
	// commas between. "200-299"; Envoy takes 200 alone.
	Expect string
	// Port to check, where it is not the one that takes calls. The endpoint's own
	Port uint16
}

// HTTP is a [Checker] that makes a request. Each check makes a connection of its own,
// past the mesh: an endpoint that takes no new ones is not well. Over TLS it speaks
// HTTP/2 where the endpoint does, in plaintext HTTP/1.1.
//
// An answer with the header X-Envoy-Immediate-Health-Check-Fail is an [ErrNow].
// Redirects are not followed.
type HTTP struct {
	cfg    HTTPConfig
	header http.Header
	target *url.URL
	expect statuses
	dialer dialer
}

// NewHTTP makes an HTTP checker. The header is sent with each request and is not to be
// written afterwards; nil is none. The error says what in the configuration is wrong.
func NewHTTP(cfg HTTPConfig, header http.Header, options ...CheckerOption) (*HTTP, error) {
	if cfg.Path == "" {
		cfg.Path = "/"
	}
	if cfg.Method == "" {
		cfg.Method = http.MethodGet
	}
	if cfg.Expect == "" {
		cfg.Expect = "200-299"
	}
	h := &HTTP{cfg: cfg, header: header, dialer: newDialer(cfg.Port, options)}
	var err error
	if h.expect, err = parseStatuses(cfg.Expect); err != nil {
		return nil, err
	}
	if h.target, err = url.ParseRequestURI(cfg.Path); err != nil || !strings.HasPrefix(cfg.Path, "/") {
		return nil, fmt.Errorf("health: path %q: want one that begins with a slash", cfg.Path)
	}
	if _, err := http.NewRequest(cfg.Method, "http://"+cfg.Host, http.NoBody); err != nil { //nolint:noctx // it is only tried out
		return nil, fmt.Errorf("health: method %q, host %q: %w", cfg.Method, cfg.Host, err)
	}
	return h, nil
}

// bodyLimit is how much of an answer is read.
const bodyLimit = 64 << 10

// Check asks the endpoint.
func (h *HTTP) Check(ctx context.Context, e *balance.Endpoint) error {
	t := h.transport(e)
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(h.request(ctx, e, t.TLSClientConfig != nil))
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.CopyN(io.Discard, resp.Body, bodyLimit); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("health: reading the answer: %w", err)
	}
	switch {
	case resp.Header.Get("X-Envoy-Immediate-Health-Check-Fail") != "":
		return ErrNow
	case !h.expect.has(resp.StatusCode):
		return fmt.Errorf("health: status %d, want %s", resp.StatusCode, h.cfg.Expect)
	}
	return nil
}

// transport is for one check.
func (h *HTTP) transport(e *balance.Endpoint) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return h.dialer.connect(ctx, e)
		},
		TLSClientConfig:    h.dialer.secure(e).Clone(),
		ForceAttemptHTTP2:  true,
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
}

func (h *HTTP) request(ctx context.Context, e *balance.Endpoint, secure bool) *http.Request {
	u := *h.target
	u.Scheme, u.Host = "http", h.dialer.addr(e.Addr())
	if secure {
		u.Scheme = "https"
	}
	r := &http.Request{Method: h.cfg.Method, URL: &u, Host: h.cfg.Host, Header: h.header.Clone()}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "enmesh-health")
	}
	return r.WithContext(ctx)
}
