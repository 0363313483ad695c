// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"time"

	"github.com/enmesh-go/enmesh"
)

// keepFor is how long keys count after the last fetch that succeeded.
const keepFor = 24 * time.Hour

// keySet is the keys of one issuer, and when they were fetched last.
type keySet struct {
	*ring
	at enmesh.Instant // 0: they were not fetched, and count for ever
}

// stale reports whether the keys are so old that they count no more.
func (s *keySet) stale(now enmesh.Instant) bool { return s.at != 0 && now.Sub(s.at) > keepFor }

// ring is the keys themselves. A fetch that finds the same keys keeps the ring, so that a token
// that was verified by it is known to be good while it is in force. It is never written again.
type ring struct{ keys []key }

// verdict is what a ring says of a token.
type verdict uint8

const (
	unknownKey verdict = iota // no key of the ring may have signed it
	unsure                    // none has, but the token does not say, or they do not, which should
	wrong                     // the one that should have has not
	signed
)

// verdict tries the keys that may have signed a token. One that names its key is only tried
// with those of that name, and with those that have none.
func (r *ring) verdict(t *token) verdict {
	v, tries := unknownKey, 0
	for i := range r.keys {
		k := &r.keys[i]
		if !k.fits(t) {
			continue
		}
		if verifySignature(t, k) {
			return signed
		}
		if v = wrong; t.keyID == "" || k.id == "" {
			v = unsure
		}
		tries++
		if tries == maxTries {
			break
		}
	}
	return v
}

// fits reports whether the key may have signed a token.
func (k *key) fits(t *token) bool {
	return (t.keyID == "" || k.id == "" || k.id == t.keyID) &&
		(k.algorithm == "" || k.algorithm == t.algorithm) &&
		algorithms[t.algorithm](k.public)
}
