// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
)

// TestAgent_datacenters: a service has an instance in each of two datacenters, and the first
// is preferred. When the other is lost, nothing is taken away.
func TestAgent_datacenters(t *testing.T) {
	home := consultest.Dev(t, consultest.Config{})
	away := consultest.Dev(t, consultest.Config{Datacenter: "dc2", Join: home})
	home.Register(web(1))
	away.Register(web(2))
	r := open(t, consul.Config{Address: home.Addr, Datacenters: []string{"dc1", "dc2"}, Wait: 5 * time.Second})
	defer r.Close()
	c := collect(r, "web")
	defer c.stop()
	c.await(t, "10.0.0.1:80 10.0.0.2:80")
	c.mu.Lock()
	for _, ep := range c.sets[len(c.sets)-1] {
		if want := map[string]uint32{"10.0.0.1:80": 0, "10.0.0.2:80": 1}[ep.Addrs[0]]; ep.Priority != want {
			t.Errorf("%v has priority %d, want %d", ep.Addrs, ep.Priority, want)
		}
	}
	c.mu.Unlock()

	away.Kill()
	consultest.Await(t, 60*time.Second, func() error {
		if len(c.reasons()) == 0 {
			return fmt.Errorf("no error of the datacenter that is gone")
		}
		return nil
	})
	home.Register(web(3))
	c.await(t, "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80")
}

// TestAgent_checks: the agent itself asks an instance over HTTP or gRPC whether it is well,
// and an instance that says no is not found.
func TestAgent_checks(t *testing.T) {
	node := consultest.Dev(t, consultest.Config{})
	var well atomic.Bool
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || !well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(web.Close)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc, answers := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(rpc, answers)
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(lis) }()
	t.Cleanup(func() {
		rpc.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	say := func(ok bool) {
		well.Store(ok)
		status := grpc_health_v1.HealthCheckResponse_NOT_SERVING
		if ok {
			status = grpc_health_v1.HealthCheckResponse_SERVING
		}
		answers.SetServingStatus("", status)
	}
	for _, tt := range []struct {
		service, addr string
		check         consul.Check
	}{
		{"over-http", web.Listener.Addr().String(), consul.Check{HTTP: "/readyz", Interval: time.Second}},
		{"over-grpc", lis.Addr().String(), consul.Check{GRPC: "/", Interval: time.Second}},
	} {
		t.Run(tt.service, func(t *testing.T) {
			say(false)
			r := open(t, consul.Config{Address: node.Addr, Check: tt.check, NoPanic: true})
			defer r.Close()
			end := announce(r, discovery.Instance{Service: tt.service, ID: tt.service, Endpoint: discovery.Endpoint{Addrs: []string{tt.addr}}})
			c := collect(r, tt.service)
			defer c.stop()
			consultest.Await(t, 20*time.Second, func() error {
				if all := node.Instances(tt.service); len(all) != 1 || all[0].Status != "critical" {
					return fmt.Errorf("registered: %+v, want one that is critical", all)
				}
				return nil
			})
			say(true)
			c.await(t, tt.addr)
			say(false)
			c.await(t, "")
			if err := end(); err != nil {
				t.Error(err)
			}
			if all := node.Instances(tt.service); len(all) != 0 {
				t.Errorf("left after the end: %+v", all)
			}
		})
	}
}

// keyPair is a certificate for 127.0.0.1, of servers and clients, that signs itself.
func keyPair(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestAgent_tls: the agent speaks HTTPS only to who has a certificate.
func TestAgent_tls(t *testing.T) {
	cert := keyPair(t)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := lis.Addr().(*net.TCPAddr)
	if err := lis.Close(); err != nil {
		t.Fatal(err)
	}
	certFile := write("cert.pem", "CERTIFICATE", cert.Certificate[0])
	node := consultest.Dev(t, consultest.Config{HCL: fmt.Sprintf(
		`ports { https = %d } tls { https { cert_file = %q key_file = %q ca_file = %q verify_incoming = true } }`,
		addr.Port, certFile, write("key.pem", "PRIVATE KEY", key), certFile)})
	node.Register(web(1))

	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	for _, tt := range []struct {
		name  string
		tls   *tls.Config
		known bool
	}{
		{"with a certificate", &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}, true},
		{"without one", &tls.Config{RootCAs: roots}, false},
		{"with nobody to trust", &tls.Config{Certificates: []tls.Certificate{cert}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := open(t, consul.Config{Address: "https://" + addr.String(), TLS: tt.tls})
			defer r.Close()
			c := collect(r, "web")
			defer c.stop()
			if tt.known {
				c.await(t, "10.0.0.1:80")
				return
			}
			consultest.Await(t, 10*time.Second, func() error {
				if len(c.reasons()) == 0 {
					return fmt.Errorf("no error yet")
				}
				return nil
			})
			c.want(t, "none", 0)
		})
	}
}
