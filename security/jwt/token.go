// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"encoding/base64"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// The bounds of a token.
const (
	maxToken = 8 << 10 // bytes
	maxKeyID = 256     // bytes
)

// token is a token as it was read, with nothing verified.
type token struct {
	raw       string
	payload   string // the middle part, as it is written
	algorithm string
	keyID     string // "" when the header names no key
	kind      string // typ, lower case and without "application/"
	claims    map[string]any
}

// canonical is base64url without padding, and with no bits that mean nothing.
var canonical = base64.RawURLEncoding.Strict()

// readToken takes a token in the compact form of RFC 7515 apart, section 7.1. It looks at every
// byte once before anything is decoded, so that what is no token costs no memory.
func readToken(raw string) (*token, *enmesh.Error) {
	first, second, e := dots(raw)
	if e != nil {
		return nil, e
	}
	header, err := canonical.DecodeString(raw[:first])
	if err != nil {
		return nil, errEncoding
	}
	claims, err := canonical.DecodeString(raw[first+1 : second])
	if err != nil {
		return nil, errEncoding
	}
	if _, err = canonical.DecodeString(raw[second+1:]); err != nil {
		return nil, errEncoding
	}
	t := &token{raw: raw, payload: raw[first+1 : second]}
	if e := t.readHeader(header); e != nil {
		return nil, e
	}
	if t.claims, err = decodeObject(claims); err != nil {
		return nil, errClaims
	}
	return t, nil
}

// dots finds the two dots, with something before, between and behind them.
func dots(raw string) (first, second int, e *enmesh.Error) {
	if raw == "" || len(raw) > maxToken {
		return 0, 0, errLength
	}
	n := 0
	for i := range len(raw) {
		c := raw[i]
		switch {
		case c == '.' && n == 2:
			return 0, 0, errSegments
		case c == '.' && n == 0:
			first, n = i, 1
		case c == '.':
			second, n = i, 2
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return 0, 0, errEncoding
		}
	}
	if n != 2 || first == 0 || second == first+1 || second == len(raw)-1 {
		return 0, 0, errSegments
	}
	return first, second, nil
}

// unaccepted are the header parameters that bring a key along, say where one is to be
// fetched, change how the token is read, or are of encrypted tokens.
var unaccepted = []string{
	"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip",
	"enc", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c",
}

func (t *token) readHeader(data []byte) *enmesh.Error {
	header, err := decodeObject(data)
	if err != nil {
		return errHeader
	}
	for _, name := range unaccepted {
		if _, ok := header[name]; ok {
			return errParameter
		}
	}
	if cty, ok := header["cty"]; ok && !isText(cty) || isType(cty, "jwt") {
		return errParameter // a token within a token
	}
	t.algorithm, _ = header["alg"].(string)
	if algorithms[t.algorithm] == nil {
		return errAlgorithm
	}
	if typ, ok := header["typ"]; ok {
		if !isText(typ) {
			return errType
		}
		t.kind = plainType(typ.(string)) //nolint:errcheck // isText has checked
	}
	kid, ok := header["kid"]
	if ok && !isKeyID(kid) {
		return errKeyID
	}
	t.keyID, _ = kid.(string)
	return nil
}

func isText(v any) bool {
	_, ok := v.(string)
	return ok
}

func isType(v any, want string) bool {
	s, ok := v.(string)
	return ok && plainType(s) == want
}

// plainType is a media type as typ and cty have it: the prefix may be left out (RFC 7515, 4.1.9).
func plainType(s string) string {
	s = strings.ToLower(s)
	return strings.TrimPrefix(s, "application/")
}

func isKeyID(v any) bool {
	s, ok := v.(string)
	return ok && s != "" && len(s) <= maxKeyID && !hasControl(s)
}

// hasControl reports whether s has a control character, or what stands for text that
// could not be decoded.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}
