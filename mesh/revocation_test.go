// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// registrar is an authority that also says whom it has revoked, in a file.
type registrar struct {
	t       *testing.T
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	serial  int64
	serials map[string]*big.Int // by account
	list    string
	number  int64
}

func newRegistrar(t *testing.T) *registrar {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &registrar{t: t, key: key, serial: 1, serials: map[string]*big.Int{}, list: filepath.Join(t.TempDir(), "revoked.der")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registrar"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
	}
	r.cert = r.sign(template, template, key)
	r.revoke()
	return r
}

func (r *registrar) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	r.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		r.t.Fatal(err)
	}
	return cert
}

// source is the identity of an account of the namespace default.
func (r *registrar) source(account string) security.Source {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	r.serial++
	r.serials[account] = big.NewInt(r.serial)
	cert := r.sign(&x509.Certificate{
		SerialNumber: big.NewInt(r.serial),
		URIs:         []*url.URL{{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/default/sa/" + account}},
		NotBefore:    time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}, r.cert, key)
	id, err := security.NewIdentity(tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert},
		map[string][]*x509.Certificate{"cluster.local": {r.cert}})
	if err != nil {
		r.t.Fatal(err)
	}
	return security.Fixed(id)
}

// revoke puts a list with these accounts, and no others, in place.
func (r *registrar) revoke(accounts ...string) {
	r.t.Helper()
	r.number++
	list := &x509.RevocationList{Number: big.NewInt(r.number), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, account := range accounts {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.serials[account], RevocationTime: time.Now().Add(-time.Minute)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, r.cert, r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.put(der)
}

func (r *registrar) put(data []byte) {
	r.t.Helper()
	if err := os.WriteFile(r.list+".next", data, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.list+".next", r.list); err != nil {
		r.t.Fatal(err)
	}
}

// lists is what a process reads of the registrar's file.
func (r *registrar) lists() *mtls.CRL {
	r.t.Helper()
	crl, err := mtls.NewCRL(mtls.CRLConfig{Files: []string{r.list}, Poll: 10 * time.Millisecond})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = crl.Close() }) // it never fails
	return crl
}

// listensItself serves HTTP by the TLS configuration of a mesh.
func listensItself(t *testing.T, m *mesh.Mesh, l net.Listener) {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: nothing, TLSConfig: m.ServerTLS(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

// TestScenarioT11_revocationsOfAMesh: who is put on the list is refused as a caller and as
// a server, over both protocols, within seconds and on connections that are open; a list
// that makes no sense leaves the last good one in force.
func TestScenarioT11_revocationsOfAMesh(t *testing.T) {
	for _, role := range []string{"server", "client"} {
		t.Run("the "+role+" looks", func(t *testing.T) {
			authority, town := newRegistrar(t), newTown(t)
			crl := authority.lists()
			// Only one side has lists, so that it is the one that refuses.
			open := func(account string, is string) *mesh.Mesh {
				opts := []mesh.Option{
					mesh.WithWorkload(mesh.Workload{Service: account}), mesh.WithResolver(town.registry),
					mesh.WithCertificates(authority.source(account)),
				}
				if is == role {
					opts = append(opts, mesh.WithRevocations(crl))
				}
				return opened(t, opts...)
			}
			overHTTP, overGRPC, byItself := loopback(t), loopback(t), loopback(t)
			server := open("shop", "server")
			overMesh(t, server, overHTTP)
			listensItself(t, server, byItself)
			overMeshGRPC(t, server, overGRPC)
			at := func(addr string) discovery.Endpoint {
				return discovery.Endpoint{Addrs: []string{addr}, Namespace: "default", ServiceAccount: "shop"}
			}
			town.registry.Set("web", at(overHTTP.Addr().String()))
			town.registry.Set("itself", at(byItself.Addr().String()))
			town.registry.Set("rpc", at(overGRPC.Addr().String()))
			front := open("front", "client")
			client, cc := town.client(front), town.conn(front, "enmesh:///rpc")
			calls := map[string]func() error{
				"HTTP":              func() error { _, err := get(t.Context(), client, "http://web/"); return err },
				"HTTP by ServerTLS": func() error { _, err := get(t.Context(), client, "http://itself/"); return err },
				"gRPC":              func() error { _, err := check(t.Context(), cc); return err },
			}
			for protocol, call := range calls {
				if err := call(); err != nil {
					t.Fatalf("%s, nobody is revoked: %v", protocol, err)
				}
			}
			gone := map[string]string{"server": "front", "client": "shop"}[role]
			authority.revoke(gone)
			for protocol, call := range calls {
				until(t, protocol+" to end", func() bool { return call() != nil })
			}
			authority.put([]byte("nonsense"))
			until(t, "the nonsense to be seen", func() bool { return crl.Err() != nil })
			for protocol, call := range calls {
				if call() == nil {
					t.Errorf("%s: a list of nonsense let %s in", protocol, gone)
				}
			}
			authority.revoke()
			for protocol, call := range calls {
				until(t, protocol+" to be well again", func() bool { return call() == nil })
			}
		})
	}
}
