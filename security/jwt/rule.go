// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// rule is a Rule as calls need it.
type rule struct {
	issuer     string
	audiences  []string
	algorithms map[string]bool
	types      map[string]bool
	split      []string
	payload    string // header for the claims; "": none
	outputs    []ClaimHeader
	forward    bool
	nobody     bool // a token without a subject is accepted
	store      *store
	released   atomic.Bool // the store was given back
}

// newRule checks a Rule. Its store is still to be set if its keys are to be fetched.
func newRule(r Rule) (*rule, error) {
	if r.Issuer == "" {
		return nil, errors.New("an empty Issuer")
	}
	if slices.Contains(r.Audiences, "") {
		return nil, errors.New("an empty one in Audiences")
	}
	if r.Timeout != 0 && (r.Timeout < 10*time.Millisecond || r.Timeout > time.Minute) {
		return nil, fmt.Errorf("a Timeout of %v, not within 10ms to 1m", r.Timeout)
	}
	algs, err := accepted(r.Algorithms)
	if err != nil {
		return nil, err
	}
	out := &rule{
		issuer: r.Issuer, audiences: slices.Clone(r.Audiences), algorithms: algs, types: typesOf(r.Types),
		split: slices.Concat([]string{"scope", "permission"}, r.SpaceDelimited), forward: r.Forward,
		nobody: r.OptionalSubject,
	}
	if err := out.readOutputs(r); err != nil {
		return nil, err
	}
	if err := out.readKeys(r); err != nil {
		return nil, err
	}
	return out, nil
}

// readKeys reads the keys that are given, or checks where they are.
func (r *rule) readKeys(from Rule) error {
	switch {
	case from.JWKS != "" && from.JWKSURI != "":
		return errors.New("JWKS and JWKSURI are both given")
	case from.JWKSURI != "":
		return checkURI(from.JWKSURI)
	case from.JWKS == "":
		return errors.New("neither JWKS nor JWKSURI is given")
	}
	keys, skipped, err := parseKeySet([]byte(from.JWKS))
	if err != nil {
		return fmt.Errorf("JWKS is %w", err)
	}
	if len(keys) == 0 {
		return fmt.Errorf("JWKS has no public key for signatures; %d were left out", skipped)
	}
	r.store = fixed(keys)
	return nil
}

func (r *rule) readOutputs(from Rule) error {
	if from.OutputPayload != "" {
		name, err := outputName(from.OutputPayload)
		if err != nil {
			return fmt.Errorf("OutputPayload %w", err)
		}
		r.payload = name
	}
	for _, o := range from.OutputClaims {
		name, err := outputName(o.Header)
		switch {
		case err != nil:
			return fmt.Errorf("OutputClaims: Header %w", err)
		case o.Claim == "":
			return fmt.Errorf("OutputClaims: the Claim for %s is empty", name)
		case name == r.payload || slices.ContainsFunc(r.outputs, func(c ClaimHeader) bool { return c.Header == name }):
			return fmt.Errorf("OutputClaims: Header %s is given twice", name)
		}
		r.outputs = append(r.outputs, ClaimHeader{name, o.Claim})
	}
	return nil
}

// reserved are headers that say what the request is, or who may act for it: a token does
// not get to write them.
var reserved = []string{
	"Host", "Authorization", "Cookie", "Connection", "Content-Length", "Content-Type",
	"Transfer-Encoding", "Te", "Trailer", "Upgrade", "Keep-Alive", "Proxy-Authorization",
}

func outputName(name string) (string, error) {
	if !isToken(name) {
		return "", fmt.Errorf("%q is not the name of a header", name)
	}
	key := textproto.CanonicalMIMEHeaderKey(name)
	if slices.Contains(reserved, key) || strings.HasPrefix(key, "Grpc-") {
		return "", fmt.Errorf("%q is not for a token to write", name)
	}
	return key, nil
}

// isToken reports whether s may be the name of a header or a cookie (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

func typesOf(names []string) map[string]bool {
	if len(names) == 0 {
		names = []string{"", "jwt", "at+jwt", "jose"}
	}
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[plainType(name)] = true
	}
	return set
}

// check looks at what the token says of itself, but for its signature, and reads it.
func (r *rule) check(t *token, now time.Time, leeway time.Duration) (*enmesh.Auth, span, *enmesh.Error) {
	if !r.algorithms[t.algorithm] {
		return nil, span{}, errAlgorithm
	}
	if !r.types[t.kind] {
		return nil, span{}, errType
	}
	a, e := t.person()
	if e != nil {
		return nil, span{}, e
	}
	life, e := t.life()
	if e != nil {
		return nil, span{}, e
	}
	a.Expiry = life.to
	switch {
	case a.Issuer == "" || a.Issuer != r.issuer:
		return nil, span{}, errIssuer
	case len(r.audiences) > 0 && !anyOf(r.audiences, a.Audiences):
		return nil, span{}, errAudience
	case !r.nobody && a.Subject == "":
		return nil, span{}, errSubject
	}
	return a, life, life.check(now, leeway)
}
