// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// OriginationMode is how a connection to a host outside of the mesh is secured.
type OriginationMode uint8

const (
	// Simple checks the server's certificate and shows none. It is the zero mode.
	Simple OriginationMode = iota
	// Mutual shows a certificate from files too.
	Mutual
)

// Origination is TLS to a host that has no identity of the mesh: a DestinationRule's tls
// modes SIMPLE and MUTUAL.
type Origination struct {
	Mode OriginationMode
	// CertFile and KeyFile are this side's certificate (PEM, leaf first) and its key
	// (PEM, readable by its owner alone). Mutual requires both, Simple neither.
	CertFile, KeyFile string
	// SharedKey accepts a key file that others than its owner can read.
	SharedKey bool
	// CAFile has the roots that vouch for the server, in PEM. "" means those of the
	// system. (Istio's sidecars check nothing at all without caCertificates, unless told
	// to use the system's: here it is always checked.)
	CAFile string
	// CRLFile has revocation lists, of every issuer between the server's certificate and
	// its root: what no list says is good is refused. "": nobody is asked.
	CRLFile string
	// SubjectAltNames are the names of which the server's certificate must have one: DNS
	// names, IP addresses and URIs, compared whole; a certificate for "*.example.com" has
	// every name of one more label. None: it must have the name of the host, or the SNI.
	SubjectAltNames []string
	// SNI is the server name that is sent. "" sends the host; IP addresses are not sent.
	SNI string
	// InsecureSkipVerify checks nothing of the server: whoever is on the way can be it.
	InsecureSkipVerify bool
	// RequireTLS13 raises the least version from TLS 1.2, which hosts outside may have and
	// not more, with forward secret AEAD cipher suites only, to 1.3.
	RequireTLS13 bool
	// Poll is how often the files are read again. 0 means 250 ms, and 5 s for the lists;
	// negative is refused.
	Poll time.Duration
	// OnUpdate, when set, hears of each change of the files that is in force (nil) and of
	// each new failure, on a watching goroutine.
	OnUpdate func(error)
	// Now replaces time.Now.
	Now func() time.Time
}

// check refuses what makes no sense.
func (o *Origination) check() error {
	pair := o.CertFile != "" && o.KeyFile != ""
	switch {
	case o.Mode > Mutual:
		return fmt.Errorf("mtls: origination: unknown Mode %d", o.Mode)
	case o.Mode == Mutual && !pair:
		return errors.New("mtls: origination: Mutual requires CertFile and KeyFile")
	case o.Mode == Simple && (o.CertFile != "" || o.KeyFile != ""):
		return errors.New("mtls: origination: Simple shows no certificate; CertFile and KeyFile must be empty")
	case o.InsecureSkipVerify && (o.CAFile != "" || o.CRLFile != "" || len(o.SubjectAltNames) > 0):
		return errors.New("mtls: origination: InsecureSkipVerify checks nothing; CAFile, CRLFile and SubjectAltNames must be empty")
	case slices.Contains(o.SubjectAltNames, ""):
		return errors.New("mtls: origination: an entry of SubjectAltNames is empty")
	}
	return nil
}

// Originator makes the client's side of connections out of the mesh. Its files are read
// again and again: a renewed certificate, new roots and new lists count from the next
// handshake on, and open connections are checked against them by the adapters.
type Originator struct {
	cfg   Origination
	files watched[originFiles]
	crl   *CRL // nil: nobody is asked
	last  atomic.Pointer[originals]

	mu   sync.Mutex // guards made; nothing is called under it
	made map[string]*tls.Config
}

// originals is what the files hold now. It is never written.
type originals struct {
	cert  *tls.Certificate // nil: none is shown
	roots *x509.CertPool   // nil: the system's
	known tlslive.Verdicts // of chains that roots vouch for
}

// NewOriginator reads the files and begins to watch them, with one goroutine, or two with
// revocation lists, until Close. It is an error when they cannot be used now.
func NewOriginator(cfg Origination) (*Originator, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	poll, err := pollOf("origination", cfg.Poll, defaultPoll)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.SubjectAltNames = slices.Clone(cfg.SubjectAltNames)
	o := &Originator{cfg: cfg, made: map[string]*tls.Config{}}
	o.files = watched[originFiles]{read: o.read, take: o.take, tell: cfg.OnUpdate, poll: poll}
	if cfg.CRLFile != "" {
		o.crl, err = NewCRL(CRLConfig{Files: []string{cfg.CRLFile}, Poll: cfg.Poll, OnUpdate: cfg.OnUpdate, Now: cfg.Now})
		if err != nil {
			return nil, err
		}
	}
	if err := o.files.begin(); err != nil {
		if o.crl != nil {
			_ = o.crl.Close() // err is the one to tell
		}
		return nil, err
	}
	return o, nil
}

// Err says why what lies on disk now is not in force, or that the own certificate has
// ended; nil when all is well.
func (o *Originator) Err() error {
	err := o.files.failure()
	if err == nil && o.crl != nil {
		err = o.crl.Err()
	}
	if err == nil {
		_, err = o.certificate()
	}
	return err
}

// Close stops watching and waits. The last good files stay in force. It may be called more
// than once; the error is always nil.
func (o *Originator) Close() error {
	o.files.close()
	if o.crl != nil {
		return o.crl.Close()
	}
	return nil
}

// Config is the configuration for connections to host, a name or an IP address without a
// port. The same host gives the same configuration, which is shared: clone it before
// editing.
func (o *Originator) Config(host string) *tls.Config {
	o.mu.Lock()
	defer o.mu.Unlock()
	if cfg := o.made[host]; cfg != nil {
		return cfg
	}
	if len(o.made) >= maxClients {
		clear(o.made)
	}
	cfg := o.config(host)
	o.made[host] = cfg
	return cfg
}

func (o *Originator) config(host string) *tls.Config {
	s := settings{minVersion: tls.VersionTLS12}
	if o.cfg.RequireTLS13 {
		s.minVersion = tls.VersionTLS13
	}
	name := o.cfg.SNI
	if name == "" {
		name = host
	}
	cfg := &tls.Config{
		MinVersion:   s.minVersion,
		CipherSuites: s.suites(),
		Time:         o.cfg.Now,
		ServerName:   name,
		// The standard check does not know the names that policy gives, and is not made
		// anew while a connection is open. VerifyConnection makes all of it.
		InsecureSkipVerify: true, //nolint:gosec // replaced by VerifyConnection below, unless the operator says to skip it
	}
	if o.cfg.Mode == Mutual {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return o.certificate() }
	}
	if !o.cfg.InsecureSkipVerify {
		names := o.cfg.SubjectAltNames
		if len(names) == 0 {
			names = []string{name}
		}
		cfg.VerifyConnection = func(cs tls.ConnectionState) error { return o.verify(cs.PeerCertificates, names) }
	}
	return cfg
}

// certificate is the one that is shown, nil if none is.
func (o *Originator) certificate() (*tls.Certificate, error) {
	cert := o.last.Load().cert
	if cert != nil && o.cfg.Now().After(cert.Leaf.NotAfter) {
		return nil, fmt.Errorf("%w: %s ended at %s", ErrNoIdentity, o.cfg.CertFile, cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return cert, nil
}

// verify checks the server's chain, that it is not revoked, and its name.
func (o *Originator) verify(chain []*x509.Certificate, names []string) error {
	if len(chain) == 0 {
		return errors.New("mtls: the server has no certificate")
	}
	now, files := o.cfg.Now(), o.last.Load()
	chains, err := files.known.Verify(chain, x509.VerifyOptions{
		Roots: files.roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("mtls: the server's certificate: %w", err)
	}
	if o.crl != nil {
		if err := o.crl.CheckAt(chains, now); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(names, func(name string) bool { return named(chain[0], name) }) {
		return nil
	}
	return fmt.Errorf("%w: its certificate is for none of %q", ErrUnexpectedPeer, names)
}

// named reports whether a certificate has a name: a URI, an IP address or a DNS name.
func named(leaf *x509.Certificate, name string) bool {
	for _, uri := range leaf.URIs {
		if uri.String() == name {
			return true
		}
	}
	if ip := net.ParseIP(name); ip != nil {
		return slices.ContainsFunc(leaf.IPAddresses, ip.Equal)
	}
	return leaf.VerifyHostname(name) == nil
}
