// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"slices"
	"testing"

	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// claims are keys in which a caller says who he is.
var claims = []string{
	"x-forwarded-client-cert", "x-envoy-original-path", "x-envoy-internal", "x-envoy-external-address", "x-envoy-peer-metadata",
	"l5d-client-id", "l5d-dst-override", "x-jwt-payload", "x_jwt_payload", "x-jwt-payload-bin", "x-original-url", "x-rewrite-url",
	"x-forwarded-prefix", "x-forwarded-uri", "x-http-method-override", "client-cert", "x-role", "x_role", "x-role-bin",
}

// asSeen is what the policy and the handler of a call find in its metadata.
func asSeen(t *testing.T, fields []field, opts ...meshgrpc.ServerOption) (policy, handler metadata.MD) {
	t.Helper()
	policy = metadata.MD{}
	srv := meshgrpc.NewServer(enmesh.Fixed(false, func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			for _, key := range append([]string{"x-kept", "user_id", "x-envoy-attempt-count"}, claims...) {
				if v := c.Header.Values(key); len(v) > 0 {
					policy[key] = slices.Clone(v)
				}
			}
			return next(ctx, c)
		}
	}), opts...)
	addr := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		handler, _ = metadata.FromIncomingContext(ctx)
		return &testpb.SimpleResponse{}, nil
	}}, srv.Options()...)
	if a := rawCall(t, addr, head(protected, fields...)); a.code != "0" {
		t.Fatalf("%+v", a)
	}
	return policy, handler
}

func claimed() (fields []field) {
	for _, key := range claims {
		fields = append(fields, field{Name: key, Value: "YWRtaW4"})
	}
	return append(fields, field{Name: "x-kept", Value: "1"}, field{Name: "user_id", Value: "2"}, field{Name: "x-envoy-attempt-count", Value: "2"})
}

func TestScenarioA5_claimsInMetadataAreTakenOff(t *testing.T) {
	policy, handler := asSeen(t, claimed(), meshgrpc.WithStrippedMetadata("X-Role"))
	for _, key := range claims {
		if len(policy[key]) > 0 || len(handler[key]) > 0 {
			t.Errorf("%s: the policy sees %q, the handler %q", key, policy[key], handler[key])
		}
	}
	for _, key := range []string{"x-kept", "user_id", "x-envoy-attempt-count"} {
		if len(policy[key]) != 1 || len(handler[key]) != 1 {
			t.Errorf("%s: the policy sees %q, the handler %q, want it kept", key, policy[key], handler[key])
		}
	}
}

func TestScenarioA5_metadataOfTrustedPeersIsKept(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		policy, handler := asSeen(t, claimed(), meshgrpc.TrustMetadataOf(func(p *enmesh.Peer) bool {
			return trusted && p.Addr.Addr().IsLoopback()
		}))
		if got := len(policy["x-forwarded-client-cert"]) + len(handler["x-forwarded-client-cert"]); got != map[bool]int{true: 2}[trusted] {
			t.Errorf("trusted %v: %d values", trusted, got)
		}
	}
}

// Every value of a key reaches the policy and the handler, each by itself and in order.
func TestScenarioA4_everyValueOfMetadataIsSeen(t *testing.T) {
	for _, values := range [][]string{{"user", "admin"}, {"admin", "user"}, {"user,admin"}, {"user, admin"}, {""}, {"", "admin"}} {
		var fields []field
		for _, v := range values {
			fields = append(fields, field{Name: "x-kept", Value: v})
		}
		policy, handler := asSeen(t, fields)
		if !slices.Equal(policy["x-kept"], values) || !slices.Equal(handler["x-kept"], values) {
			t.Errorf("sent %q: the policy sees %q, the handler %q", values, policy["x-kept"], handler["x-kept"])
		}
	}
}
