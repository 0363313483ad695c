// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httputil"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/user"
)

// Ingress is the edge of the mesh: it takes plain HTTP from browsers and hands it to
// productpage through transport. It turns a sign-in (header, query or cookie) into the
// header "end-user", which everybody further in carries along.
func Ingress(transport http.RoundTripper, errorLog *log.Logger) http.Handler {
	return &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  errorLog,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "productpage:9080"
			r.Out.Host = "productpage:9080"
			r.SetXForwarded()
			r.Out.Header.Del(user.Header)
			if name := signedIn(r.In); name != "" {
				r.Out.Header.Set(user.Header, name)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil || errors.Is(err, context.Canceled) {
				return // the browser is gone
			}
			if errorLog != nil {
				errorLog.Printf("ingress: %s %s: %v", r.Method, r.URL.Path, err)
			}
			http.Error(w, "The product page cannot be had at present.", http.StatusBadGateway)
		},
	}
}
