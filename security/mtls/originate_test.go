// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security/mtls"
)

// outside is a server that knows nothing of the mesh.
type outside struct {
	*authority
	addr  string
	cert  atomic.Pointer[tls.Certificate] // the one that it shows
	sni   atomic.Value                    // of the latest client
	shown atomic.Int32                    // how many certificates the latest client showed
}

func newOutside(t testing.TB, auth tls.ClientAuthType) *outside {
	t.Helper()
	o := &outside{authority: issuing(t)}
	o.cert.Store(o.web(t, "api.example.com"))
	pool := x509.NewCertPool()
	pool.AddCert(o.authority.cert)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.addr = lis.Addr().String()
	srv := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o.shown.Store(int32(len(r.TLS.PeerCertificates)))
			_, _ = io.WriteString(w, "outside")
		}),
		TLSConfig: &tls.Config{
			ClientAuth: auth, ClientCAs: pool,
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				o.sni.Store(hello.ServerName)
				return o.cert.Load(), nil
			},
		},
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ServeTLS(lis, "", "") }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return o
}

// web is a certificate of a web server.
func (o *outside) web(t testing.TB, names ...string) *tls.Certificate {
	t.Helper()
	cert := o.leaf(t, "https://unused", func(c *x509.Certificate) {
		c.URIs = nil
		for _, name := range names {
			switch ip := net.ParseIP(name); {
			case strings.Contains(name, "://"):
				c.URIs = append(c.URIs, mustURL(t, name))
			case ip != nil:
				c.IPAddresses = append(c.IPAddresses, ip)
			default:
				c.DNSNames = append(c.DNSNames, name)
			}
		}
	})
	return &cert
}

// ca is a file with the root.
func (o *outside) ca(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	lay(t, name, armouredAs("CERTIFICATE", o.authority.cert.Raw))
	return name
}

// pair writes a client's certificate and key.
func (o *outside) pair(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	own := o.leaf(t, "https://client", nil)
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	lay(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	lay(t, cert, armouredAs("CERTIFICATE", own.Certificate[0]))
	return cert, key
}

func newOriginator(t testing.TB, cfg mtls.Origination) *mtls.Originator {
	t.Helper()
	o, err := mtls.NewOriginator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func (o *outside) call(t testing.TB, of *mtls.Originator, host string) error {
	t.Helper()
	got, err := get(client(t, of.Config(host), false), "https://"+o.addr)
	if err == nil && got != "outside" {
		t.Errorf("answered with %q", got)
	}
	return err
}

func TestOriginator_simpleChecksTheName(t *testing.T) {
	o := newOutside(t, tls.NoClientCert)
	ca := o.ca(t)
	for name, tt := range map[string]struct {
		cfg   mtls.Origination
		host  string
		names []string // of the server's certificate
		sni   string
		bad   bool
	}{
		"the host":              {mtls.Origination{}, "api.example.com", []string{"api.example.com"}, "api.example.com", false},
		"another host":          {mtls.Origination{}, "www.example.com", []string{"api.example.com"}, "www.example.com", true},
		"a wildcard":            {mtls.Origination{}, "api.example.com", []string{"*.example.com"}, "api.example.com", false},
		"a wildcard too short":  {mtls.Origination{}, "a.b.example.com", []string{"*.example.com"}, "a.b.example.com", true},
		"an address":            {mtls.Origination{}, "127.0.0.1", []string{"127.0.0.1"}, "", false},
		"another address":       {mtls.Origination{}, "127.0.0.1", []string{"127.0.0.2", "api.example.com"}, "", true},
		"SNI":                   {mtls.Origination{SNI: "api.example.com"}, "www.example.com", []string{"api.example.com"}, "api.example.com", false},
		"subjectAltNames":       {mtls.Origination{SubjectAltNames: []string{"x.test", "api.example.com"}}, "www.example.com", []string{"api.example.com"}, "www.example.com", false},
		"none of them":          {mtls.Origination{SubjectAltNames: []string{"x.test"}}, "api.example.com", []string{"api.example.com"}, "api.example.com", true},
		"a URI":                 {mtls.Origination{SubjectAltNames: []string{"spiffe://out/api"}}, "h", []string{"spiffe://out/api"}, "h", false},
		"the beginning of one":  {mtls.Origination{SubjectAltNames: []string{"spiffe://out/api"}}, "h", []string{"spiffe://out/api2"}, "h", true},
		"no check":              {mtls.Origination{InsecureSkipVerify: true}, "h", []string{"other"}, "h", false},
		"roots of the system's": {mtls.Origination{CAFile: "-"}, "api.example.com", []string{"api.example.com"}, "api.example.com", true},
	} {
		t.Run(name, func(t *testing.T) {
			o.cert.Store(o.web(t, tt.names...))
			switch {
			case tt.cfg.CAFile == "-":
				tt.cfg.CAFile = ""
			case !tt.cfg.InsecureSkipVerify:
				tt.cfg.CAFile = ca
			}
			err := o.call(t, newOriginator(t, tt.cfg), tt.host)
			if (err != nil) != tt.bad {
				t.Errorf("err = %v, want one: %t", err, tt.bad)
			}
			if sni := o.sni.Load(); sni != tt.sni {
				t.Errorf("the server name sent is %q, want %q", sni, tt.sni)
			}
		})
	}
}

func TestOriginator_mutualRotates(t *testing.T) {
	t.Parallel()
	o := newOutside(t, tls.RequireAndVerifyClientCert)
	dir := t.TempDir()
	cert, key := o.pair(t, dir)
	ca := o.ca(t)
	told := make(chan error, 10)
	of := newOriginator(t, mtls.Origination{
		Mode: mtls.Mutual, CertFile: cert, KeyFile: key, CAFile: ca, Poll: 10 * time.Millisecond, OnUpdate: func(err error) { told <- err },
	})
	if err := o.call(t, of, "api.example.com"); err != nil || o.shown.Load() != 1 {
		t.Fatalf("%v, %d certificates shown", err, o.shown.Load())
	}
	lay(t, cert, []byte("half a cert"))
	if err := <-told; err == nil || of.Err() == nil {
		t.Errorf("a bad file: %v, %v", err, of.Err())
	}
	if err := o.call(t, of, "api.example.com"); err != nil {
		t.Errorf("while the files are bad: %v", err)
	}
	o.pair(t, dir)
	eventually(t, "the new pair", func() bool { return of.Err() == nil })

	// New roots count from the next handshake on, and for open connections.
	state, err := tls.Dial("tcp", o.addr, of.Config("api.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = state.Close() }()
	again := of.Config("api.example.com").VerifyConnection
	if err := again(state.ConnectionState()); err != nil {
		t.Fatal(err)
	}
	lay(t, ca, armouredAs("CERTIFICATE", issuing(t).cert.Raw))
	eventually(t, "the new roots", func() bool { return again(state.ConnectionState()) != nil })
	if err := o.call(t, of, "api.example.com"); err == nil {
		t.Error("the old root still vouches")
	}
}

func TestOriginator_revokedServer(t *testing.T) {
	o := newOutside(t, tls.NoClientCert)
	list := filepath.Join(t.TempDir(), "crl.pem")
	lay(t, list, armoured(o.revocations(t, nil)))
	of := newOriginator(t, mtls.Origination{CAFile: o.ca(t), CRLFile: list, Poll: 10 * time.Millisecond})
	if err := o.call(t, of, "api.example.com"); err != nil {
		t.Fatal(err)
	}
	lay(t, list, armoured(o.revocations(t, nil, *o.cert.Load())))
	eventually(t, "the revocation", func() bool { return errors.Is(o.call(t, of, "api.example.com"), mtls.ErrRevoked) })
}

func TestNewOriginator_refuses(t *testing.T) {
	for want, cfg := range map[string]mtls.Origination{
		"Mode 7":             {Mode: 7},
		"Mutual requires":    {Mode: mtls.Mutual, CertFile: "x"},
		"Simple shows":       {CertFile: "x", KeyFile: "y"},
		"InsecureSkipVerify": {InsecureSkipVerify: true, CAFile: "x"},
		"SubjectAltNames":    {SubjectAltNames: []string{""}},
		"Poll":               {Poll: -1},
		"missing.pem":        {CAFile: "missing.pem"},
		"nolist.pem":         {CRLFile: "nolist.pem"},
	} {
		if _, err := mtls.NewOriginator(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// CVE-2025-66220 on the way out: a DNS name with a NUL in it is nobody's.
func TestCVE_2025_66220_nulInADNSName(t *testing.T) {
	o := newOutside(t, tls.NoClientCert)
	o.cert.Store(o.web(t, "api.example.com\x00.evil.test"))
	of := newOriginator(t, mtls.Origination{CAFile: o.ca(t)})
	for _, names := range [][]string{nil, {"api.example.com"}} {
		of := newOriginator(t, mtls.Origination{CAFile: o.ca(t), SubjectAltNames: names})
		if err := o.call(t, of, "api.example.com"); err == nil {
			t.Errorf("accepted for %q", names)
		}
	}
	o.cert.Store(o.web(t, "api.example.com"))
	if err := o.call(t, of, "api.example.com"); err != nil {
		t.Fatal(err)
	}
}
