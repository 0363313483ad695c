// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are the ones that may be accepted at all: signatures with a public key. What
// a secret signs is not among them, so that no public key can be taken for a secret.
var algorithms = map[string]func(key any) bool{
	"RS256": isRSA, "RS384": isRSA, "RS512": isRSA,
	"PS256": isRSA, "PS384": isRSA, "PS512": isRSA,
	"ES256": onCurve("P-256"), "ES384": onCurve("P-384"), "ES512": onCurve("P-521"),
	"EdDSA": isEd25519,
}

func isRSA(key any) bool {
	_, ok := key.(*rsa.PublicKey)
	return ok
}

func isEd25519(key any) bool {
	_, ok := key.(ed25519.PublicKey)
	return ok
}

func onCurve(name string) func(any) bool {
	return func(key any) bool {
		k, ok := key.(*ecdsa.PublicKey)
		return ok && k.Curve.Params().Name == name
	}
}

// accepted is the set of algorithms of a rule; all of them for none.
func accepted(names []string) (map[string]bool, error) {
	set := make(map[string]bool, len(algorithms))
	for _, name := range names {
		if algorithms[name] == nil {
			return nil, fmt.Errorf("algorithm %q is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA", name)
		}
		set[name] = true
	}
	if len(names) == 0 {
		for name := range algorithms {
			set[name] = true
		}
	}
	return set, nil
}

// verifySignature reports whether k has signed the token by the algorithm that its header names.
func verifySignature(t *token, k *key) bool {
	alg := jose.SignatureAlgorithm(t.algorithm)
	signed, err := jose.ParseSignedCompact(t.raw, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return false
	}
	_, err = signed.Verify(k.public)
	return err == nil
}
