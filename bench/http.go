// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// listen opens a port on the loopback interface.
func listen(ctx context.Context) (net.Listener, error) {
	var cfg net.ListenConfig
	return cfg.Listen(ctx, "tcp", "127.0.0.1:0")
}

// httpServer is a Server on a listener of its own.
type httpServer struct {
	*http.Server
	listener net.Listener
	release  func() error
}

func (s *httpServer) Addr() string { return s.listener.Addr().String() }

func (s *httpServer) Close() error { return errors.Join(s.Server.Close(), s.release()) }

// startHTTP serves h over HTTP/1.1, with TLS if there is a cfg; release is called at the
// end.
func startHTTP(ctx context.Context, h http.Handler, cfg *tls.Config, release func() error) (Server, error) {
	l, err := listen(ctx)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	s := &httpServer{&http.Server{Handler: h, TLSConfig: cfg, Protocols: http1(), ReadHeaderTimeout: time.Minute}, l, release}
	serve := func() error { return s.Serve(l) }
	if cfg != nil {
		serve = func() error { return s.ServeTLS(l, "", "") }
	}
	go func() { _ = serve() }() // it ends with Close
	return s, nil
}

// http1 is HTTP/1.1 and nothing else.
func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// echoHTTP answers with what it was sent.
func echoHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, len(payload))
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = w.Write(body)
}

// transport is net/http's client for HTTP/1.1, with a connection for every worker.
func transport(cfg *tls.Config) *http.Transport {
	return &http.Transport{TLSClientConfig: cfg, Protocols: http1(), MaxIdleConnsPerHost: maxConcurrency, IdleConnTimeout: time.Minute}
}

// httpClient is a client that posts to one URL.
type httpClient struct {
	client   *http.Client
	url      string
	deadline time.Duration // 0: none
	traced   bool          // the context's trace is handed on
	release  func() error
}

func (c *httpClient) Worker() Call {
	buf := make([]byte, len(payload)+1) // the last byte finds the end, so that the connection is kept
	call := func(ctx context.Context) error { return c.post(ctx, buf) }
	if c.deadline == 0 {
		return call
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.deadline)
		defer cancel()
		return call(ctx)
	}
}

func (c *httpClient) post(ctx context.Context, buf []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	if c.traced {
		req.Header.Set("Traceparent", parentOf(ctx))
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(payload)) {
		return fmt.Errorf("bench: an answer of status %d with %d bytes", resp.StatusCode, resp.ContentLength)
	}
	n, err := io.ReadFull(resp.Body, buf)
	if n != len(payload) || !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("bench: an answer of %d bytes: %w", n, err)
	}
	return nil
}

func (c *httpClient) Close() error {
	c.client.CloseIdleConnections()
	return c.release()
}

// serveHTTP is net/http alone.
func serveHTTP(ctx context.Context, env Env) (Server, error) {
	cfg, release, err := env.serverTLS()
	if err != nil {
		return nil, err
	}
	return startHTTP(ctx, http.HandlerFunc(echoHTTP), cfg, release)
}

// dialHTTP is net/http alone, with a deadline on every call unless it is 0.
func dialHTTP(deadline time.Duration) func(context.Context, Env, string) (Client, error) {
	return func(_ context.Context, env Env, addr string) (Client, error) {
		cfg, release, err := env.clientTLS()
		if err != nil {
			return nil, err
		}
		client := &http.Client{Transport: transport(cfg)}
		return &httpClient{client: client, url: "https://" + addr + "/echo", deadline: deadline, release: release}, nil
	}
}
