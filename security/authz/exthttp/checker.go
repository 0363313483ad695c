// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package exthttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/headername"
)

// Checker asks an HTTP service whether calls are allowed. It is an authz.Checker, and
// safe for concurrent use.
type Checker struct {
	cfg     *compiled
	client  *http.Client
	onError *enmesh.Error

	allowed, denied, failed atomic.Uint64
}

// New makes a Checker. It refuses a Config that makes no sense.
func New(cfg Config) (*Checker, error) {
	k, err := cfg.compile()
	if err != nil {
		return nil, err
	}
	var client http.Client
	if cfg.Client != nil {
		client = *cfg.Client
	} else {
		client.Transport = &http.Transport{
			MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxHeader,
			TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
		}
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil // one caller's cookie is not another's
	return &Checker{cfg: k, client: &client, onError: errorRefusal(k.StatusOnError)}, nil
}

// Close closes idle connections to the authorizer. The error is always nil.
func (k *Checker) Close() error {
	k.client.CloseIdleConnections()
	return nil
}

// Check asks about a call. nil allows it, and the headers that the configuration names are
// set. A refusal is an *enmesh.Error with the authorizer's status, whose headers and body
// are the caller's answer in HTTP; [ErrDenied] is found in it. Where the authorizer gave no
// answer it is [ErrService], or nil with FailOpen.
func (k *Checker) Check(ctx context.Context, c *enmesh.Call) (err error) {
	limited, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = k.unknown(ctx, c)
		}
	}()
	resp, err := k.ask(limited, c)
	if err != nil {
		return k.unknown(ctx, c)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= http.StatusInternalServerError:
		return k.unknown(ctx, c)
	case resp.StatusCode == http.StatusOK:
		k.allowed.Add(1)
		k.apply(c, resp.Header)
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return k.unknown(ctx, c)
	}
	k.denied.Add(1)
	return k.deny(c, resp, body)
}

// ask sends the question: the call's method, host and path, and the headers that are
// listed, without a body.
func (k *Checker) ask(ctx context.Context, c *enmesh.Call) (*http.Response, error) {
	target := k.cfg.base
	target.Path, target.RawQuery = k.cfg.PathPrefix+c.Path, c.Query
	if c.Path == "" || c.Path[0] != '/' {
		return nil, errors.New("exthttp: the call has no path")
	}
	method := c.Method
	if method == "" || method == http.MethodConnect {
		return nil, fmt.Errorf("exthttp: the method %q cannot be asked about", method)
	}
	r := (&http.Request{
		Method: method, URL: &target, Host: c.Authority, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}).WithContext(ctx)
	k.describe(c, r.Header)
	return k.client.Do(r) //nolint:gosec // the operator names the host; the call gives its path and query
}

// describe copies the headers that the authorizer is sent.
func (k *Checker) describe(c *enmesh.Call, to http.Header) {
	if c.Header != nil {
		for _, name := range k.cfg.include.Exact() {
			copyValues(to, c.Header, name)
		}
		if k.cfg.include.Patterns() {
			for name := range enmesh.KeysOf(c.Header) {
				if k.cfg.include.Has(name) {
					copyValues(to, c.Header, name)
				}
			}
		}
	}
	for name, value := range k.cfg.IncludeAdditionalHeadersInCheck {
		to.Set(name, value)
	}
	if _, ok := to["User-Agent"]; !ok {
		to["User-Agent"] = nil // else net/http writes its own
	}
}

func copyValues(to http.Header, from enmesh.Header, name string) {
	if headername.OfMessage(name) || !headername.Valid(name) {
		return
	}
	if values := from.Values(name); len(values) > 0 {
		to[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
	}
}

// apply sets what the authorizer wants in a call that is let through.
func (k *Checker) apply(c *enmesh.Call, answer http.Header) {
	for name, values := range answer {
		if headername.OfMessage(name) {
			continue
		}
		if c.Header != nil && k.cfg.upstream.Has(name) {
			replace(c.Header, name, values)
		}
		if c.Answer.Header != nil && k.cfg.shown.Has(name) {
			replace(c.Answer.Header, name, values)
		}
	}
}

func replace(h enmesh.Header, name string, values []string) {
	h.Del(name)
	for _, v := range values {
		h.Add(name, v)
	}
}

// unknown decides a call that the authorizer says nothing about.
func (k *Checker) unknown(ctx context.Context, c *enmesh.Call) error {
	c.Tick()
	if e := enmesh.EndOf(ctx); e != nil {
		return e
	}
	k.failed.Add(1)
	if k.cfg.Recorder != nil {
		k.cfg.Recorder.Record(c, enmesh.Decision{Policy: policyName, Action: enmesh.ActionDegrade})
	}
	if k.cfg.FailOpen {
		return nil
	}
	return k.onError
}

// Stats is what a Checker has done so far.
type Stats struct {
	Allowed uint64 // calls that the authorizer let through
	Denied  uint64 // calls that it refused
	Failed  uint64 // calls that it said nothing about
}

// Stats counts.
func (k *Checker) Stats() Stats {
	return Stats{Allowed: k.allowed.Load(), Denied: k.denied.Load(), Failed: k.failed.Load()}
}
