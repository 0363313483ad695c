// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// TestScenarioA4_sameKeyInHeaderAndTrailer: what a request's trailer says is never among the
// values of its header, for the policy, which decides before it comes, and for the handler.
func TestScenarioA4_sameKeyInHeaderAndTrailer(t *testing.T) {
	for _, two := range []bool{false, true} {
		var policy, header, trailer []string
		h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			header, trailer = r.Header["X-Role"], r.Trailer["X-Role"]
		})
		deny := before(func(_ context.Context, c *enmesh.Call) error {
			policy = slices.Clone(c.Header.Values("x-role"))
			if slices.Contains(policy, "admin") {
				return &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral}
			}
			return nil
		})
		srv := httptest.NewUnstartedServer(meshhttp.NewHandler(h, enmesh.Fixed(false, deny)))
		srv.EnableHTTP2 = two
		srv.StartTLS()
		// A connection for each: net/http's server of HTTP/2 ends one on which a trailer comes after
		// the answer, as it does where the request was refused.
		srv.Client().Transport.(*http.Transport).DisableKeepAlives = true
		for _, tt := range []struct {
			header, trailer string
			want            int
		}{{"user", "admin", 200}, {"admin", "user", 403}, {"", "admin", 200}} {
			policy, header, trailer = nil, nil, nil
			req := must(http.NewRequest(http.MethodPost, srv.URL, io.MultiReader(strings.NewReader("a")))) // of unknown length
			if tt.header != "" {
				req.Header.Set("X-Role", tt.header)
			}
			req.Trailer = http.Header{"X-Role": {tt.trailer}}
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = body(t, resp)
			if two != (resp.ProtoMajor == 2) {
				t.Fatalf("HTTP/2: got %s, want %v", resp.Proto, two)
			}
			var want []string
			if tt.header != "" {
				want = []string{tt.header}
			}
			if resp.StatusCode != tt.want || !slices.Equal(policy, want) {
				t.Errorf("%s, %+v: status %d, the policy saw %q, want %d and %q", resp.Proto, tt, resp.StatusCode, policy, tt.want, want)
			}
			if resp.StatusCode == 200 && (!slices.Equal(header, want) || !slices.Equal(trailer, []string{tt.trailer})) {
				t.Errorf("%s, %+v: the handler saw %q in the header and %q in the trailer", resp.Proto, tt, header, trailer)
			}
		}
		srv.Close()
	}
}
