// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/enmesh-go/enmesh"
)

// What a policy takes out of the query is not in the request's own text either.
func TestHandler_seesTheQueryThatPoliciesLeft(t *testing.T) {
	srv := serve(t, &recorder{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RequestURI+" "+r.URL.RequestURI()+" "+r.FormValue("secret"))
	}), before(func(_ context.Context, c *enmesh.Call) error {
		if c.Query == "a=1&secret=x" {
			c.Query = "a=1"
		}
		return nil
	}))
	for target, want := range map[string]string{
		"/p%20q?a=1&secret=x": "/p%20q?a=1 /p%20q?a=1 ",
		"/p%20q?a=%31&b":      "/p%20q?a=%31&b /p%20q?a=%31&b ",
	} {
		resp, err := http.Get(srv.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, resp); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}
