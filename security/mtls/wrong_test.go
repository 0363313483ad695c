// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// gatekeeper is a server that tells why it refused the latest client.
type gatekeeper struct {
	addr    string
	refused chan error
}

func newGatekeeper(t testing.TB, cfg mtls.ListenerConfig) *gatekeeper {
	t.Helper()
	g := &gatekeeper{refused: make(chan error, 1)}
	cfg.Refused = func(_ net.Addr, err error) { g.refused <- err }
	_, g.addr = listen(t, cfg)
	return g
}

// verdict is why the server refuses a client with a certificate; nil: it serves.
func (g *gatekeeper) verdict(t testing.TB, cert tls.Certificate) error {
	t.Helper()
	cfg := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &cert, nil
	}}
	answered := make(chan bool, 1)
	go func() {
		tr := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+g.addr, nil) // a constant that is right
		resp, err := tr.RoundTrip(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		answered <- err == nil
	}()
	select {
	case err := <-g.refused:
		if <-answered {
			t.Errorf("refused for %v, and answered all the same", err)
		}
		return err
	case ok := <-answered:
		if !ok {
			return <-g.refused
		}
		return nil
	}
}

// raw is a certificate whose URI names are exactly so, to the byte.
func (a *authority) raw(t testing.TB, uris ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	var names []asn1.RawValue
	for _, uri := range uris {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)})
	}
	value, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) > 0 {
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: value}}
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestScenarioT7_wrongNames: none of the forms that are nearly a SPIFFE ID, or nearly the
// one that is meant, is taken for it.
func TestScenarioT7_wrongNames(t *testing.T) {
	a := newAuthority(t)
	g := newGatekeeper(t, mtls.ListenerConfig{
		Source: a.source(t, sa("reviews").String(), nil), Options: []mtls.ServerOption{mtls.Allow(sa("web"))},
	})
	good := sa("web").String()
	if err := g.verdict(t, a.raw(t, good)); err != nil {
		t.Fatalf("the right name: %v", err)
	}
	const base = "spiffe://" + domain
	for name, tt := range map[string]struct {
		uris []string
		want error // nil: crypto/tls does not read it
	}{
		"another account":     {[]string{base + "/ns/default/sa/other"}, mtls.ErrUnexpectedPeer},
		"none":                {nil, security.ErrInvalidSVID},
		"two":                 {[]string{good, good}, security.ErrInvalidSVID},
		"two, one not SPIFFE": {[]string{"https://x/", good}, security.ErrInvalidSVID},
		"no path":             {[]string{base}, security.ErrInvalidSVID},
		"root path":           {[]string{base + "/"}, security.ErrInvalidSVID},
		"other trust domain":  {[]string{"spiffe://other.test/ns/default/sa/web"}, security.ErrUntrusted},
		"trust domain in capitals": {
			[]string{"spiffe://" + strings.ToUpper(domain) + "/ns/default/sa/web"}, security.ErrInvalidSVID,
		},
		"scheme in capitals": {[]string{"SPIFFE" + strings.TrimPrefix(good, "spiffe")}, security.ErrInvalidSVID},
		"other scheme":       {[]string{"https" + strings.TrimPrefix(good, "spiffe")}, security.ErrInvalidSVID},
		"dots":               {[]string{base + "/ns/default/sa/x/../web"}, security.ErrInvalidSVID},
		"a dot":              {[]string{base + "/ns/default/./sa/web"}, security.ErrInvalidSVID},
		"two slashes":        {[]string{base + "//ns/default/sa/web"}, security.ErrInvalidSVID},
		"encoded dot":        {[]string{base + "/ns/default/sa/%2e"}, security.ErrInvalidSVID},
		"encoded letter":     {[]string{base + "/ns/default/sa/w%65b"}, security.ErrInvalidSVID},
		"trailing slash":     {[]string{good + "/"}, security.ErrInvalidSVID},
		"query":              {[]string{good + "?x"}, security.ErrInvalidSVID},
		"empty query":        {[]string{good + "?"}, security.ErrInvalidSVID},
		"fragment":           {[]string{good + "#x"}, security.ErrInvalidSVID},
		"empty fragment":     {[]string{good + "#"}, security.ErrInvalidSVID},
		"port":               {[]string{"spiffe://" + domain + ":443/ns/default/sa/web"}, security.ErrInvalidSVID},
		"empty port":         {[]string{"spiffe://" + domain + ":/ns/default/sa/web"}, security.ErrInvalidSVID},
		"user":               {[]string{"spiffe://web@" + domain + "/ns/default/sa/web"}, security.ErrInvalidSVID},
		"over 2048 bytes":    {[]string{base + "/" + strings.Repeat("a", 2048)}, security.ErrInvalidSVID},
		"long trust domain":  {[]string{"spiffe://" + strings.Repeat("a", 256) + "/ns/default/sa/web"}, security.ErrInvalidSVID},
		"a space":            {[]string{good + " "}, nil},
		"NUL at the end":     {[]string{good + "\x00"}, nil},
		"not ASCII":          {[]string{base + "/ns/default/sa/w\u0435b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := g.verdict(t, a.raw(t, tt.uris...))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("refused for %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("DNS name only", func(t *testing.T) {
		err := g.verdict(t, a.leaf(t, good, func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{domain} }))
		if !errors.Is(err, security.ErrInvalidSVID) {
			t.Errorf("refused for %v, want ErrInvalidSVID", err)
		}
	})
}

// CVE-2025-66220: Envoy compared names with an embedded NUL only up to it, so that a
// certificate for "good\x00evil" was taken for "good".
func TestCVE_2025_66220_nulInAName(t *testing.T) {
	a := newAuthority(t)
	g := newGatekeeper(t, mtls.ListenerConfig{
		Source: a.source(t, sa("reviews").String(), nil), Options: []mtls.ServerOption{mtls.Allow(sa("web"))},
	})
	good := sa("web").String()
	for _, uri := range []string{good + "\x00.evil.test", good + "\x00", "\x00" + good, "spiffe://" + domain + "\x00.evil.test/ns/default/sa/web"} {
		if err := g.verdict(t, a.raw(t, uri)); err == nil {
			t.Errorf("%q was let in", uri)
		}
	}
}

// TestScenarioT8_similarNames: an ID is compared whole. CVE-2026-39350: Istio took the dots
// of a service account for a pattern.
func TestScenarioT8_similarNames(t *testing.T) {
	a := newAuthority(t)
	for allowed, others := range map[string][]string{
		"web":             {"web-evil", "webX", "we", "Web"},
		"cert-manager.io": {"cert-manager-io", "cert-managerxio"},
	} {
		g := newGatekeeper(t, mtls.ListenerConfig{
			Source: a.source(t, sa("reviews").String(), nil), Options: []mtls.ServerOption{mtls.Allow(sa(allowed))},
		})
		if err := g.verdict(t, a.raw(t, sa(allowed).String())); err != nil {
			t.Errorf("%s: %v", allowed, err)
		}
		for _, other := range others {
			if err := g.verdict(t, a.raw(t, sa(other).String())); !errors.Is(err, mtls.ErrUnexpectedPeer) {
				t.Errorf("%s for %s: refused for %v, want ErrUnexpectedPeer", other, allowed, err)
			}
		}
	}
}

func TestCVE_2026_39350_dotsAreNoPattern(t *testing.T) {
	a := newAuthority(t)
	g := newGatekeeper(t, mtls.ListenerConfig{
		Source: a.source(t, sa("reviews").String(), nil), Options: []mtls.ServerOption{mtls.Allow(sa("cert-manager.io"))},
	})
	if err := g.verdict(t, a.raw(t, sa("cert-manager-io").String())); !errors.Is(err, mtls.ErrUnexpectedPeer) {
		t.Errorf("refused for %v, want ErrUnexpectedPeer", err)
	}
}

// TestScenarioT9_authorityOfAnotherDomain: the root of one domain does not vouch for a name
// in another, though both are trusted for their own.
func TestScenarioT9_authorityOfAnotherDomain(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	roots := map[string][]*x509.Certificate{domain: {ours.cert}, "other.test": {theirs.cert}}
	g := newGatekeeper(t, mtls.ListenerConfig{Source: ours.source(t, sa("reviews").String(), roots)})
	const them = "spiffe://other.test/ns/default/sa/web"
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		want error
	}{
		{"our root, our name", ours.raw(t, sa("web").String()), nil},
		{"their root, their name", theirs.raw(t, them), nil},
		{"their root, our name", theirs.raw(t, sa("web").String()), security.ErrUntrusted},
		{"our root, their name", ours.raw(t, them), security.ErrUntrusted},
	} {
		if err := g.verdict(t, tt.cert); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
