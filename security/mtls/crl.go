// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// Why a revocation list has a peer refused.
var (
	// ErrRevoked: a certificate of its chain is on the list of its issuer.
	ErrRevoked = errors.New("mtls: the certificate is revoked")
	// ErrUndetermined: there is no list in force of an issuer in its chain.
	ErrUndetermined = errors.New("mtls: it is not known whether the certificate is revoked")
)

// maxCRL bounds each file with revocation lists, in bytes, unless CRLConfig says.
const maxCRL = 16 << 20

// listPoll is how often lists are read again unless CRLConfig says: they may be large.
const listPoll = 5 * time.Second

// CRLConfig says where revocation lists lie.
type CRLConfig struct {
	// Files hold lists in PEM, any number of them, or one in DER. At least one file is
	// required.
	Files []string
	// AllowUndetermined accepts certificates of issuers that no list in force is of. The
	// default is to refuse them: a list that is missing or has ended must not let in
	// whom it names.
	AllowUndetermined bool
	// MaxSize bounds each file, in bytes. 0 means 16 MiB; negative is refused.
	MaxSize int64
	// Poll is how often the files are read again. 0 means 5 s; negative is refused.
	Poll time.Duration
	// OnUpdate, when set, hears of each change that is in force (nil), and of each new
	// failure. It is called on the watching goroutine.
	OnUpdate func(error)
	// Now replaces time.Now.
	Now func() time.Time
}

// CRL is the certificate revocation lists of some issuers, read from files again and
// again. A list counts from the time it is in force until its nextUpdate, when it is
// signed by the issuer of the certificate in question. Files that cannot be read, or make
// no sense, leave the last good lists in force until those end: then everybody is refused,
// unless AllowUndetermined is set.
//
// Lists that cover a part only (delta lists, lists with an issuing distribution point) are
// refused whole.
//
// Source: RFC 5280, section 5.
type CRL struct {
	cfg   CRLConfig
	files watched[[][]byte]
	lists atomic.Pointer[map[string][]*list] // by the issuer's name, in DER; never written
}

// NewCRL reads the files and begins to watch them, with one goroutine until Close. It is an
// error when they cannot be used now.
func NewCRL(cfg CRLConfig) (*CRL, error) {
	switch {
	case len(cfg.Files) == 0:
		return nil, errors.New("mtls: revocation list: Files is required")
	case cfg.MaxSize < 0:
		return nil, fmt.Errorf("mtls: revocation list: MaxSize is %d; it must be positive, or 0 for the default", cfg.MaxSize)
	case cfg.MaxSize == 0:
		cfg.MaxSize = maxCRL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	poll, err := pollOf("revocation list", cfg.Poll, listPoll)
	if err != nil {
		return nil, err
	}
	c := &CRL{cfg: cfg}
	c.files = watched[[][]byte]{read: c.read, take: c.take, tell: cfg.OnUpdate, poll: poll}
	if err := c.files.begin(); err != nil {
		return nil, err
	}
	return c, nil
}

// Err says why what lies on disk now is not in force, or nil.
func (c *CRL) Err() error { return c.files.failure() }

// Close ends the watch and waits for it. The last lists stay in force. It may be called
// more than once; the error is always nil.
func (c *CRL) Close() error {
	c.files.close()
	return nil
}

func (c *CRL) read() ([][]byte, digest, error) {
	all := make([][]byte, 0, len(c.cfg.Files))
	hash := sha256.New()
	for _, name := range c.cfg.Files {
		data, err := readOpen(name, c.cfg.MaxSize)
		if err != nil {
			return nil, digest{}, err
		}
		_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(data))))
		_, _ = hash.Write(data)
		all = append(all, data)
	}
	return all, digest(hash.Sum(nil)), nil
}

func readOpen(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	return readUpTo(file, most)
}

func (c *CRL) take(all [][]byte) error {
	lists := map[string][]*list{}
	for i, data := range all {
		found, err := parseLists(data)
		if err != nil {
			return fmt.Errorf("mtls: %s: %w", c.cfg.Files[i], err)
		}
		for _, l := range found {
			issuer := string(l.signed.RawIssuer)
			lists[issuer] = append(lists[issuer], l)
		}
	}
	c.lists.Store(&lists)
	return nil
}

// parseLists reads the lists of one file.
func parseLists(data []byte) ([]*list, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN")) {
		l, err := newList(data)
		if err != nil {
			return nil, err
		}
		return []*list{l}, nil
	}
	var found []*list
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, errors.New("it does not end with a whole PEM block")
		}
		data = rest
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("it holds a PEM block %q where only revocation lists belong", block.Type)
		}
		l, err := newList(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, l)
	}
	return found, nil
}

// CheckAt says why a peer that leads to its roots in one of these ways, each leaf first and
// root last, is to be refused at a time; nil: one of the ways is free of revocations. Roots
// themselves are not looked up: those are withdrawn. Errors wrap [ErrRevoked] or
// [ErrUndetermined].
func (c *CRL) CheckAt(chains [][]*x509.Certificate, now time.Time) error {
	err := ErrUndetermined
	for _, chain := range chains {
		if err = c.way(chain, now); err == nil {
			return nil
		}
	}
	return err
}

// way checks one chain.
func (c *CRL) way(chain []*x509.Certificate, now time.Time) error {
	for n := range len(chain) - 1 {
		err := c.one(chain[n], chain[n+1], now)
		if errors.Is(err, ErrUndetermined) && c.cfg.AllowUndetermined {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// one looks a certificate up in the lists of its issuer.
func (c *CRL) one(cert, issuer *x509.Certificate, now time.Time) error {
	serial := string(cert.SerialNumber.Bytes())
	reason, covered := errNoList, false
	for _, l := range (*c.lists.Load())[string(cert.RawIssuer)] {
		if err := l.usable(issuer, now); err != nil {
			reason = err
			continue
		}
		if _, revoked := l.serials[serial]; revoked {
			return fmt.Errorf("%w: number %x of %q", ErrRevoked, cert.SerialNumber, issuer.Subject)
		}
		covered = true
	}
	if !covered {
		return fmt.Errorf("%w: issuer %q: %w", ErrUndetermined, issuer.Subject, reason)
	}
	return nil
}
