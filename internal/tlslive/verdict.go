// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tlslive

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"time"
)

// maxVerdicts bounds how many chains Verdicts know; beyond it all are forgotten.
const maxVerdicts = 4096

// Verdicts verify chains against roots that do not change, and know the ones that they
// have verified: the signatures of those are not looked at again, only their dates.
// Refusals are not kept. The zero Verdicts are ready.
type Verdicts struct {
	mu    sync.RWMutex // guards known; nothing is called under it
	known map[chainKey]*verdict
}

// verdict is a chain that was verified, and when that holds: while every certificate of
// every way to a root is in its dates. Outside of that the chain is verified anew, since
// another way may do.
type verdict struct {
	ways       [][]*x509.Certificate
	begin, end time.Time
}

// Verify is the Verify of the chain's first certificate with the others as intermediates.
// opts must have the same Roots in every call, at most one key usage, and of the rest only
// CurrentTime. The answer is not to be written.
func (k *Verdicts) Verify(chain []*x509.Certificate, opts x509.VerifyOptions) ([][]*x509.Certificate, error) {
	key := keyOf(chain, opts.KeyUsages)
	k.mu.RLock()
	v := k.known[key]
	k.mu.RUnlock()
	if v != nil && v.holds(opts.CurrentTime) {
		return v.ways, nil
	}
	opts.Intermediates = x509.NewCertPool()
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	ways, err := chain[0].Verify(opts)
	if err != nil {
		return nil, err
	}
	k.add(key, newVerdict(ways))
	return ways, nil
}

func (k *Verdicts) add(key chainKey, v *verdict) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxVerdicts {
		k.known = map[chainKey]*verdict{}
	}
	k.known[key] = v
}

func newVerdict(ways [][]*x509.Certificate) *verdict {
	v := &verdict{ways: ways}
	for _, way := range ways {
		for _, c := range way {
			if v.begin.IsZero() || c.NotBefore.After(v.begin) {
				v.begin = c.NotBefore
			}
			if v.end.IsZero() || c.NotAfter.Before(v.end) {
				v.end = c.NotAfter
			}
		}
	}
	return v
}

// holds reports whether the verdict is right at a time, both ends included as in
// crypto/x509.
func (v *verdict) holds(now time.Time) bool { return !now.Before(v.begin) && !now.After(v.end) }

// chainKey tells a chain and its use from every other.
type chainKey [sha256.Size]byte

func keyOf(chain []*x509.Certificate, uses []x509.ExtKeyUsage) chainKey {
	var scratch [2048]byte
	b := scratch[:0]
	for _, use := range uses {
		b = binary.BigEndian.AppendUint64(b, uint64(use))
	}
	for _, c := range chain {
		b = binary.BigEndian.AppendUint64(b, uint64(len(c.Raw)))
		b = append(b, c.Raw...)
	}
	return sha256.Sum256(b)
}
