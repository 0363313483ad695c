// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"errors"
	"fmt"

	"github.com/enmesh-go/enmesh"
)

// Every refusal is one of these or wraps one. No text of a token is ever in an error.
var (
	// ErrInvalid is found in every refusal of the package.
	ErrInvalid = errors.New("invalid token")
	// ErrExpired is found where the token's time is over, also in the error that ends a stream.
	ErrExpired = fmt.Errorf("%w: it has expired", ErrInvalid)
	// ErrIssuer is found where no rule that reads the token's place names its issuer.
	ErrIssuer = fmt.Errorf("%w: its issuer is not accepted here", ErrInvalid)
	// ErrAudience is found where the token is meant for somebody else.
	ErrAudience = fmt.Errorf("%w: its audience is not accepted here", ErrInvalid)
	// ErrKey is found where the issuer is known to have no key for the token.
	ErrKey = fmt.Errorf("%w: its key is not one of the issuer's", ErrInvalid)
	// ErrNoKeys is found where the keys of the issuer could not be had, so that nothing of
	// its can be verified.
	ErrNoKeys = fmt.Errorf("%w: the issuer's keys are not known", ErrInvalid)
)

// refused is a refusal for one cause: Unauthenticated, 401, Neutral. They are built once.
func refused(cause error) *enmesh.Error {
	return &enmesh.Error{
		Code: enmesh.Unauthenticated, Outcome: enmesh.Neutral, Unsent: true,
		Status: 401, Policy: "jwt", Err: cause,
	}
}

func refusal(why string) *enmesh.Error { return refused(fmt.Errorf("%w: %s", ErrInvalid, why)) }

// What is wrong with a token, in the order in which it is found out.
var (
	errSeveral   = refusal("there is more than one at one place")
	errPlace     = refusal("it does not stand where it should")
	errLength    = refusal("it is empty or too long")
	errSegments  = refusal("it does not have three parts")
	errEncoding  = refusal("it is not written in canonical base64url")
	errHeader    = refusal("its header is not a JSON object without repeated names")
	errParameter = refusal("its header has a parameter that is not accepted")
	errAlgorithm = refusal("its algorithm is not accepted")
	errType      = refusal("it is of another type")
	errKeyID     = refusal("its key is named in a way that is not accepted")
	errClaims    = refusal("its claims are not a JSON object without repeated names")
	errClaim     = refusal("a claim has a value that is not accepted")
	errIssuer    = refused(ErrIssuer)
	errAudience  = refused(ErrAudience)
	errSubject   = refusal("it does not say whom it is about")
	errExpiry    = refusal("it does not say when it expires")
	errExpired   = refused(ErrExpired)
	errEarly     = refusal("it is not valid yet")
	errNoKeys    = refused(ErrNoKeys)
	errKey       = refused(ErrKey)
	errSignature = refusal("its signature is wrong")
)

// errStream ends a stream whose token has expired: the same, after the call had begun.
var errStream = &enmesh.Error{
	Code: enmesh.Unauthenticated, Outcome: enmesh.Neutral, Status: 401, Policy: "jwt", Err: ErrExpired,
}
