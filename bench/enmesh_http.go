// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/enmesh-go/enmesh/meshhttp"
)

// serveMeshHTTP is net/http with enmesh's Handler.
func serveMeshHTTP(open func(context.Context, Env) (*node, error)) func(context.Context, Env) (Server, error) {
	return func(ctx context.Context, env Env) (Server, error) {
		n, err := open(ctx, env)
		if err != nil {
			return nil, err
		}
		return startHTTP(ctx, meshhttp.NewHandler(http.HandlerFunc(echoHTTP), n.router), n.tls, n.release)
	}
}

// dialMeshHTTP is net/http with enmesh's Transport.
func dialMeshHTTP(open func(context.Context, Env, string) (*node, error)) func(context.Context, Env, string) (Client, error) {
	return func(ctx context.Context, env Env, addr string) (Client, error) {
		n, err := open(ctx, env, addr)
		if err != nil {
			return nil, err
		}
		t := meshhttp.NewTransport(transport(nil), n.router, n.source)
		release := func() error { return errors.Join(t.Close(), n.release()) }
		return &httpClient{client: &http.Client{Transport: t}, url: "http://" + service + "/echo", release: release}, nil
	}
}
