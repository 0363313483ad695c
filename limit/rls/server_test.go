// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit/rls"
)

// config is the service's: three a year for each user of the shop, one for those who
// write, and all that the service calls its own.
const config = `domain: shop
descriptors:
  - key: user
    rate_limit: {unit: year, requests_per_unit: 3}
    descriptors:
      - key: header_match
        value: writes
        rate_limit: {unit: year, requests_per_unit: 1}
  - key: generic_key
    value: free
    rate_limit: {unlimited: true}
`

// envoys runs the rate limit service that Envoy is used with, on a Redis of its own, and
// returns a connection to it.
func envoys(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn := dial(t, redistest.RateLimit(t, config))
	ready := mustNew(t, conn, rls.Config{Deny: true, Timeout: patient}, rls.Descriptor{rls.GenericKey{Value: "free"}})
	redistest.Await(t, "the rate limit service", func() error {
		_, err := ready.Admit(t.Context(), &enmesh.Call{})
		return err
	})
	return conn
}

func TestLimiter_withEnvoysOwnService(t *testing.T) {
	conn := envoys(t)
	writes := rls.HeaderValueMatch{Value: "writes", Headers: []rls.Matcher{{Name: ":method", Exact: "PUT"}}}
	user := rls.RequestHeader{Name: "user", Key: "user"}
	l := mustNew(t, conn, rls.Config{Headers: true}, rls.Descriptor{user}, rls.Descriptor{user, writes})
	ask := func(method, name string) (*enmesh.Call, header, error) {
		answered := header{}
		c := &enmesh.Call{Method: method, Header: header{"User": {name}}}
		err := l.Middleware()(func(_ context.Context, c *enmesh.Call) error { c.Answer.Header = answered; return nil })(t.Context(), c)
		return c, answered, err
	}
	for i, tt := range []struct {
		method, user string
		want         enmesh.Code
	}{
		{"GET", "ann", enmesh.OK},
		{"GET", "ann", enmesh.OK},
		{"PUT", "ann", enmesh.OK},
		{"GET", "ann", enmesh.ResourceExhausted}, // the fourth of the year
		{"PUT", "bob", enmesh.OK},
		{"PUT", "bob", enmesh.ResourceExhausted}, // the second that writes
		{"GET", "bob", enmesh.OK},                // the third of the year
		{"GET", "bob", enmesh.ResourceExhausted},
		{"GET", "cid\xff", enmesh.OK},
		{"GET", "cid\xff", enmesh.OK},
		{"GET", "cid\xff", enmesh.OK},
		{"GET", "cid\xff", enmesh.ResourceExhausted}, // a name that is not text is no way around
	} {
		c, answered, err := ask(tt.method, tt.user)
		if got := enmesh.CodeOf(err); got != tt.want {
			t.Errorf("call %d, %s of %s: got %v, want %v", i, tt.method, tt.user, got, tt.want)
		}
		if err == nil {
			if answered.Get("Ratelimit-Limit") == "" || answered.Get("X-Ratelimit-Limit") == "" {
				t.Errorf("call %d: the answer has %v, want the service's headers and ours", i, answered)
			}
			continue
		}
		r := c.ReplyFor(err)
		if r == nil || len(r.Header["Ratelimit-Limit"]) == 0 || enmesh.ErrorOf(err).RetryAfter <= 0 {
			t.Errorf("call %d: got the reply %+v and %v, want the service's headers, and when to come back", i, r, err)
		}
	}
	if got := l.Stats(); got != (rls.Stats{Allowed: 8, Limited: 4}) {
		t.Errorf("got %+v, want 8 allowed and 4 limited", got)
	}
	unknown := mustNew(t, conn, rls.Config{Domain: "elsewhere"}, rls.Descriptor{user})
	if _, err := unknown.Admit(t.Context(), &enmesh.Call{Header: header{"User": {"ann"}}}); err != nil {
		t.Errorf("a domain without limits: got %v, want it let through", err)
	}
}
