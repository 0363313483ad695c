// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

const domain = "mesh.test"

// authority signs anything, right or wrong, so that wrong certificates can be
// shown to a peer.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "test root"},
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	key := newKey(t)
	return &authority{parse(t, template, template, key, key), key}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// parse makes the certificate that template describes.
func parse(t testing.TB, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// leaf is a good certificate for uri unless edit spoils it.
func (a *authority) leaf(t testing.TB, uri string, edit func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		URIs:                  []*url.URL{mustURL(t, uri)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(template)
	}
	key := newKey(t)
	cert := parse(t, template, a.cert, key, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// source is a fixed good identity that trusts roots for the test's domain.
func (a *authority) source(t testing.TB, uri string, roots map[string][]*x509.Certificate) security.Source {
	t.Helper()
	if roots == nil {
		roots = map[string][]*x509.Certificate{domain: {a.cert}}
	}
	id, err := security.NewIdentity(a.leaf(t, uri, nil), roots)
	if err != nil {
		t.Fatal(err)
	}
	return security.Fixed(id)
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func sa(name string) security.ID {
	return security.MustParseID("spiffe://" + domain + "/ns/default/sa/" + name)
}

func newCA(t testing.TB, cfg ca.Config) *ca.Development {
	t.Helper()
	d, err := ca.NewDevelopment(domain, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func source(t testing.TB, d *ca.Development, account string) *ca.Source {
	t.Helper()
	s, err := d.Source("default", account)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs an HTTPS server on loopback that answers with its client's ID.
func serve(t testing.TB, cfg *tls.Config) (url string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		TLSConfig: cfg,
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer, err := security.PeerID(r.TLS)
			if err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			_, _ = io.WriteString(w, r.Proto+" "+peer.String())
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.ServeTLS(lis, "", "")
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return "https://" + lis.Addr().String()
}

// client is an http.Client that opens a connection for each request.
func client(t testing.TB, cfg *tls.Config, h2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: h2, DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// meet is what a client with cfg says of a server that shows cert and asks nothing: nil, it
// takes it for the right one.
func meet(t testing.TB, cfg *tls.Config, cert tls.Certificate) error {
	t.Helper()
	lis, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := lis.Accept(); err == nil {
			_ = conn.(*tls.Conn).HandshakeContext(context.Background()) // the client's word counts
			_ = conn.Close()
		}
	}()
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: cfg}
	conn, err := dialer.DialContext(t.Context(), "tcp", lis.Addr().String())
	if err == nil {
		_ = conn.Close()
	}
	_ = lis.Close()
	<-done
	return err
}

// get is the body of an answer with status 200.
func get(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		return "", &net.AddrError{Err: string(body), Addr: url}
	}
	return string(body), err
}
