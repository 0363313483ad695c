// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

func TestScenarioX11_plaintextOnLoopbackOnly(t *testing.T) {
	if l, err := xds.ListenLoopback("0.0.0.0:0"); err == nil {
		_ = l.Close()
		t.Error("ListenLoopback of all addresses: got nil, want an error")
	}
	if _, err := xds.ListenTLS("127.0.0.1:0", &tls.Config{}); err == nil {
		t.Error("ListenTLS without client certificates: got nil, want an error")
	}
	s, err := xds.New(xds.Config{Catalog: newScript()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err == nil {
		t.Error("Serve on all addresses: got nil, want an error")
	}
}

func TestListenTLS_theCertificateDecides(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	agent, err := authority.Source("mesh", "agent")
	if err != nil {
		t.Fatal(err)
	}
	web, err := authority.Source("default", "web")
	if err != nil {
		t.Fatal(err)
	}
	l, err := xds.ListenTLS("127.0.0.1:0", mtls.Server(agent))
	if err != nil {
		t.Fatal(err)
	}
	cat := newScript()
	cat.set(cluster("a"))
	s := serveOn(t, xds.Config{Catalog: cat}, l)
	expect := security.MustParseID("spiffe://cluster.local/ns/mesh/sa/agent")
	creds := credentials.NewTLS(mtls.Client(web, security.AnyOf(expect)))
	for _, c := range []struct {
		name, namespace string
		want            codes.Code
	}{
		{"none said", "", codes.OK}, {"the same", "default", codes.OK}, {"another", "payments", codes.InvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(creds))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			st, err := discoveryv3.NewAggregatedDiscoveryServiceClient(cc).StreamAggregatedResources(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			meta, _ := structpb.NewStruct(map[string]any{"NAMESPACE": c.namespace})
			_ = st.Send(&discoveryv3.DiscoveryRequest{
				TypeUrl: xds.Cluster.TypeURL(), ResourceNames: []string{"a"}, Node: &corev3.Node{Id: "n", Metadata: meta},
			})
			if _, err = st.Recv(); status.Code(err) != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			_, err = statusv3.NewClientStatusDiscoveryServiceClient(cc).FetchClientStatus(t.Context(), &statusv3.ClientStatusRequest{})
			if status.Code(err) != codes.PermissionDenied {
				t.Errorf("the status of others, over TLS: got %v, want PermissionDenied", err)
			}
			n := s.Clients()[0].Node
			if n.Namespace != "default" || n.ServiceAccount != "web" || n.Peer.ID.String() != "spiffe://cluster.local/ns/default/sa/web" {
				t.Errorf("got %+v", n)
			}
		})
	}
}

func TestScenarioX12_notYours(t *testing.T) {
	cat := newScript()
	mine, other, refusal := cluster("mine"), cluster("other"), clusterOf("refused", 2)
	cat.set(mine, other)
	s, addr := serve(t, xds.Config{
		Catalog: cat,
		Allow: func(_ *xds.Node, _ xds.Kind, name string) error {
			if name == "mine" {
				return nil
			}
			return errors.New("not yours")
		},
		Refuse: func(*xds.Node, xds.Kind, string, error) xds.Resource { return refusal },
	})
	r := dial(t, addr, "n")
	r.ask(xds.Cluster, "mine", "other")
	r.ack(r.wants(mine, refusal), "mine", "other")
	if st := statusOf(s, "n", xds.Cluster, "other"); st.State != xds.Denied || st.Error != "not yours" {
		t.Errorf("got %+v, want it denied", st)
	}
	all := dial(t, addr, "m")
	all.ask(xds.Cluster)
	all.wants(mine)
	_, err := statusv3.NewClientStatusDiscoveryServiceClient(dialed(t, addr)).FetchClientStatus(context.Background(), &statusv3.ClientStatusRequest{})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("the status of others, over TCP: got %v, want PermissionDenied", err)
	}
}

// TestCSDS_isForWhoMaySeeIt: on loopback it is as the admin page is, and over the socket for
// our own user, whatever others may see.
func TestCSDS_isForWhoMaySeeIt(t *testing.T) {
	nobody := func(*xds.Node, xds.Kind, string) error { return errors.New("not yours") }
	_, plain := serve(t, xds.Config{Catalog: newScript()})
	_, narrow := serve(t, xds.Config{Catalog: newScript(), Allow: nobody})
	socket := func(cfg xds.Config) string {
		path := filepath.Join(t.TempDir(), "xds.sock")
		l, err := xds.ListenUnix(path, xds.UnixConfig{})
		if err != nil {
			t.Fatal(err)
		}
		serveOn(t, cfg, l)
		return "unix://" + path
	}
	for _, c := range []struct {
		name, addr, authority string
		want                  codes.Code
	}{
		{"on loopback", plain, "", codes.OK},
		{"by localhost", plain, "localhost", codes.OK},
		{"by a name that leads to this host", plain, "rebound.example:15010", codes.PermissionDenied},
		{"on loopback, with a rule", narrow, "", codes.PermissionDenied},
		{"over the socket", socket(xds.Config{Catalog: newScript()}), "", codes.OK},
		{"over the socket, with a rule", socket(xds.Config{Catalog: newScript(), Allow: nobody}), "", codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			cc, err := grpc.NewClient(c.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(c.authority))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			_, err = statusv3.NewClientStatusDiscoveryServiceClient(cc).FetchClientStatus(t.Context(), &statusv3.ClientStatusRequest{})
			if status.Code(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
