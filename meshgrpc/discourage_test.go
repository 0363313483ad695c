// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// A failure whose call was discouraged says so in gRPC's own trailer; other answers do
// not.
func TestServer_marksWhatIsNotWorthRetrying(t *testing.T) {
	for name, tt := range map[string]struct {
		code    codes.Code
		discour bool
		want    string
	}{
		"a failure":             {codes.Unavailable, false, ""},
		"a discouraged failure": {codes.Unavailable, true, "-1"},
		"a success":             {codes.OK, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
				if tt.discour {
					enmesh.FromContext(ctx).DiscourageRetry()
				}
				return &testpb.SimpleResponse{}, status.Error(tt.code, "")
			}}, meshgrpc.NewServer(enmesh.Fixed(false)).Options()...)
			var trailer metadata.MD
			_, err := bare(t, addr).UnaryCall(testContext(t), &testpb.SimpleRequest{}, grpc.Trailer(&trailer))
			if status.Code(err) != tt.code {
				t.Fatalf("got %v, want %v", err, tt.code)
			}
			got := ""
			if v := trailer.Get("grpc-retry-pushback-ms"); len(v) > 0 {
				got = v[0]
			}
			if got != tt.want {
				t.Errorf("pushback %q, want %q", got, tt.want)
			}
		})
	}
}
