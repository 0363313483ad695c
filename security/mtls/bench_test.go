// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// BenchmarkHandshake is one connection with mutual TLS, both sides of it: by crypto/tls with
// its own verification of chains, and with this package's of identities.
func BenchmarkHandshake(b *testing.B) {
	d := newCA(b, ca.Config{})
	web, reviews := source(b, d, "web"), source(b, d, "reviews")
	bare, barely := chains(b, web, reviews)
	for _, of := range []struct {
		name            string
		client, servant *tls.Config
	}{
		{"crypto_tls", bare, barely},
		{"enmesh", mtls.Client(web, sa("reviews")), mtls.Server(reviews)},
	} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				shake(b, of.client, of.servant)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}

// chains is mutual TLS of the same certificates without a look at identities. A name has to
// be given up, since the certificates have none: crypto/tls then leaves the chain to a hook.
func chains(b *testing.B, web, reviews security.Source) (client, server *tls.Config) {
	b.Helper()
	mine, err := web.Identity()
	if err != nil {
		b.Fatal(err)
	}
	theirs, err := reviews.Identity()
	if err != nil {
		b.Fatal(err)
	}
	client = &tls.Config{Certificates: []tls.Certificate{*mine.Certificate()}, MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
	client.VerifyConnection = func(cs tls.ConnectionState) error {
		_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: mine.AllRoots()})
		return err
	}
	return client, &tls.Config{
		Certificates: []tls.Certificate{*theirs.Certificate()}, MinVersion: tls.VersionTLS13,
		ClientCAs: theirs.AllRoots(), ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// shake makes a connection and ends it.
func shake(b *testing.B, client, server *tls.Config) {
	b.Helper()
	near, far := net.Pipe()
	accepted, dialled := tls.Server(far, server), tls.Client(near, client)
	done := make(chan error, 1)
	go func() { done <- accepted.HandshakeContext(context.Background()) }()
	if err := dialled.HandshakeContext(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	_, _ = near.Close(), far.Close()
}

// BenchmarkEcho is 1 KiB there and back over a kept connection, with mutual TLS and without.
func BenchmarkEcho(b *testing.B) {
	d := newCA(b, ca.Config{})
	web, reviews := source(b, d, "web"), source(b, d, "reviews")
	for name, mode := range map[string]mtls.Mode{"plaintext": mtls.Disable, "mutual TLS": mtls.Strict} {
		b.Run(name, func(b *testing.B) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			lis, err := mtls.NewListener(inner, mtls.ListenerConfig{Source: reviews, Mode: always(mode)})
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if conn, err := lis.Accept(); err == nil {
					_, _ = io.Copy(conn, struct{ io.Reader }{conn})
					_ = conn.Close()
				}
			}()
			conn, err := net.Dial("tcp", lis.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			if mode == mtls.Strict {
				conn = tls.Client(conn, mtls.Client(web, sa("reviews")))
			}
			buf := make([]byte, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(conn, buf); err != nil {
					b.Fatal(err)
				}
			}
			_ = conn.Close()
			<-done
			_ = lis.Close()
		})
	}
}

// BenchmarkCall is a call of HTTP/1.1 over a kept connection, with mutual TLS and without.
func BenchmarkCall(b *testing.B) {
	d := newCA(b, ca.Config{})
	cfg, reviews := mtls.Client(source(b, d, "web"), sa("reviews")), source(b, d, "reviews")
	_, addr := listen(b, mtls.ListenerConfig{Source: reviews, Mode: always(mtls.Permissive)})
	tr := &http.Transport{TLSClientConfig: cfg}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	for _, scheme := range []string{"http", "https"} {
		b.Run(scheme, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := get(c, scheme+"://"+addr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerify is what each look at an open connection costs, and what the first costs.
func BenchmarkVerify(b *testing.B) {
	a := newAuthority(b)
	leaf := a.leaf(b, sa("web").String(), nil)
	chain := []*x509.Certificate{leaf.Leaf}
	own := a.leaf(b, sa("reviews").String(), nil)
	fresh := func() *security.Identity {
		id, err := security.NewIdentity(own, map[string][]*x509.Certificate{domain: {a.cert}})
		if err != nil {
			b.Fatal(err)
		}
		return id
	}
	verify := func(id *security.Identity) {
		if _, err := id.Verify(chain, time.Now(), x509.ExtKeyUsageClientAuth); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("known", func(b *testing.B) {
		id := fresh()
		b.ReportAllocs()
		for b.Loop() {
			verify(id)
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			id := fresh()
			b.StartTimer()
			verify(id)
		}
	})
}
