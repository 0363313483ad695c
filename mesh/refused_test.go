// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// What an adapter refuses before any policy sees it is counted by the mesh whose router it
// was given.
func TestMesh_countsWhatAdaptersRefuse(t *testing.T) {
	settles(t)
	m, err := mesh.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	web := httptest.NewServer(meshhttp.NewHandler(http.NotFoundHandler(), m.Inbound()))
	defer web.Close()
	res, err := web.Client().Get(web.URL + "/a%2fb")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("an escaped slash: %s, want 400", res.Status)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unknown := grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil })
	calls := grpc.NewServer(append(meshgrpc.NewServer(m.Inbound()).Options(), unknown)...)
	go func() { _ = calls.Serve(l) }() // it ends with Stop
	defer calls.Stop()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Invoke(t.Context(), "/a/b/c", &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a method in a path of three: %v, want UNIMPLEMENTED", err)
	}

	text := scrape(t, m)
	for _, policy := range []string{"meshhttp", "meshgrpc"} {
		found := false
		for line := range strings.Lines(text) {
			found = found || strings.HasPrefix(line, "enmesh_decisions_total{") && strings.Contains(line, `action="refuse"`) &&
				strings.Contains(line, `policy="`+policy+`"`) && strings.HasSuffix(line, "} 1\n")
		}
		if !found {
			t.Errorf("one refusal of %s is not counted in:\n%s", policy, text)
		}
	}
}
