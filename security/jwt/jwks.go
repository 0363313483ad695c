// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// The bounds of a key set.
const (
	maxKeySet  = 1 << 20 // bytes
	maxKeys    = 100     // in one set
	maxTries   = 8       // keys that one token is tried with
	minRSABits = 2048
	maxRSABits = 4096
)

// key is a public key of an issuer.
type key struct {
	id        string // "": it may have signed any token
	algorithm string // "": any that its kind allows
	public    any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// parseKeySet reads a JSON Web Key Set (RFC 7517). Keys that are not for signatures, of a
// kind that is not known, too small, or private are left out, and counted in skipped; a
// document that is none is an error. A set may be empty: the issuer has withdrawn all keys.
func parseKeySet(data []byte) (keys []key, skipped int, err error) {
	if len(data) > maxKeySet {
		return nil, 0, fmt.Errorf("a key set of more than %d bytes", maxKeySet)
	}
	document, err := decodeObject(data)
	if err != nil {
		return nil, 0, errors.New("a key set that is not a JSON object without repeated names")
	}
	list, ok := document["keys"].([]any)
	if !ok {
		return nil, 0, errors.New("a key set without the list keys")
	}
	if len(list) > maxKeys {
		return nil, 0, fmt.Errorf("a key set of %d keys, more than %d", len(list), maxKeys)
	}
	for _, one := range list {
		if k, ok := parseKey(one); ok {
			keys = append(keys, k)
		} else {
			skipped++
		}
	}
	return keys, skipped, nil
}

// publicMembers are the members of a key that are read. What names a certificate, or where
// one is, is not among them.
var publicMembers = []string{"kty", "n", "e", "crv", "x", "y"}

// privateMembers are those that no published key has.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func parseKey(v any) (key, bool) {
	members, ok := v.(map[string]any)
	if !ok || !forSignatures(members) {
		return key{}, false
	}
	for _, name := range privateMembers {
		if _, ok := members[name]; ok {
			return key{}, false
		}
	}
	var k key
	if kid, ok := members["kid"]; ok {
		if !isKeyID(kid) {
			return key{}, false
		}
		k.id = kid.(string) //nolint:errcheck // isKeyID has checked
	}
	if alg, ok := members["alg"]; ok {
		if k.algorithm, ok = alg.(string); !ok || algorithms[k.algorithm] == nil {
			return key{}, false
		}
	}
	k.public, ok = parsePublic(members)
	return k, ok && (k.algorithm == "" || algorithms[k.algorithm](k.public))
}

// parsePublic is the key itself.
func parsePublic(members map[string]any) (any, bool) {
	plain := make(map[string]string, len(publicMembers))
	for _, name := range publicMembers {
		if v, ok := members[name]; ok {
			if plain[name], ok = v.(string); !ok {
				return nil, false
			}
		}
	}
	data, err := json.Marshal(plain)
	if err != nil {
		return nil, false
	}
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(data); err != nil || !k.IsPublic() || !k.Valid() {
		return nil, false
	}
	if r, ok := k.Key.(*rsa.PublicKey); ok {
		bits := r.N.BitLen()
		return r, bits >= minRSABits && bits <= maxRSABits && r.N.Bit(0) == 1 && r.E >= 3 && r.E&1 == 1 && int64(r.E) < 1<<31
	}
	for _, fits := range algorithms {
		if fits(k.Key) {
			return k.Key, true
		}
	}
	return nil, false
}

// forSignatures reports whether the key's use and key_ops, if given, allow to verify.
func forSignatures(members map[string]any) bool {
	if use, ok := members["use"]; ok && use != "sig" {
		return false
	}
	ops, ok := members["key_ops"]
	if !ok {
		return true
	}
	list, ok := ops.([]any)
	if !ok {
		return false
	}
	for _, op := range list {
		if op == "verify" {
			return true
		}
	}
	return false
}
