// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/enmesh-go/enmesh"
)

// The defaults of [Config] and [Rule].
const (
	DefaultLeeway      = 30 * time.Second
	DefaultStreamCheck = 30 * time.Second
	DefaultCacheSize   = 2048
	DefaultTimeout     = 5 * time.Second
)

// Rule says whose tokens are accepted, how they are verified, and where they are found:
// one of the jwtRules of Istio's RequestAuthentication.
type Rule struct {
	// Name and Origin ("file:line") are for messages. Either may be "".
	Name, Origin string
	// Issuer is the claim iss, compared exactly. "" is refused.
	Issuer string
	// Audiences are those of which the token must name one, compared exactly: unlike
	// Istio's, "https://a/" is not "a". None: the claim aud is not looked at.
	Audiences []string
	// JWKS is the issuer's keys, a JSON Web Key Set. One of JWKS and JWKSURI is needed.
	JWKS string
	// JWKSURI is where the keys are fetched: https, or http to a loopback address.
	// Redirects are not followed. Rules with the same one share the keys and the fetches.
	JWKSURI string
	// FromHeaders, FromParams and FromCookies are where a token is found. None at all: the
	// header Authorization with the scheme Bearer, then the query parameter access_token.
	FromHeaders             []HeaderPlace
	FromParams, FromCookies []string
	// Forward leaves the token where it is, for the handler to see. Else it is taken out of
	// the header, the query or the cookies.
	Forward bool
	// OutputPayload is a header that hands the handler the token's claims, base64url without
	// padding as they stand in the token. "": none.
	OutputPayload string
	// OutputClaims are headers that hand it single claims.
	OutputClaims []ClaimHeader
	// SpaceDelimited are claims, beside scope and permission, whose text is several values
	// with spaces between, "a.b" for b in the claim a. In [enmesh.Auth] they are lists.
	SpaceDelimited []string
	// Algorithms are those that are accepted, of RS256, RS384, RS512, PS256, PS384, PS512,
	// ES256, ES384, ES512 and EdDSA. None: all of them.
	Algorithms []string
	// Types are the values of the token's header typ that are accepted, without regard to
	// case and to the prefix "application/", "" for a token without one. None: "", JWT,
	// at+jwt and JOSE. Where one issuer gives out ID tokens as well as access tokens,
	// "at+jwt" alone keeps the two apart (RFC 9068).
	Types []string
	// OptionalSubject accepts tokens without sub, or with an empty one, as Istio does. They
	// have no principal. Without it they are refused.
	OptionalSubject bool
	// Timeout is how long one fetch of the keys may take; of rules with one JWKSURI the first
	// one's counts. 0 is 5 s; refused unless within 10 ms to 1 min.
	Timeout time.Duration
}

// HeaderPlace is a header with a token behind a prefix, such as "Bearer ". The prefix is
// recognised in any case.
type HeaderPlace struct{ Name, Prefix string }

// ClaimHeader hands the handler a claim of text, integer or truth value as a header. A
// name with dots that is not itself the name of a claim leads to a claim within a claim.
// Without such a claim, or where its text would not be one line, there is no header.
type ClaimHeader struct{ Header, Claim string }

// Config is what an [Authenticator] accepts.
type Config struct {
	// Rules must be at least one.
	Rules []Rule
	// Keys has the issuers' keys, shared with other Authenticators: with those of the
	// configuration before, so that a reload keeps what was fetched. nil: the
	// Authenticator's own, by Client, Refresh and Log.
	Keys *Keys
	// Client, Refresh and Log are those of [KeysConfig]; they are ignored if Keys is given.
	Client  *http.Client
	Refresh time.Duration
	Log     *slog.Logger
	// Leeway is how far the clocks of issuers may be apart from this one. 0 is 30 s,
	// negative is none; more than 5 min is refused.
	Leeway time.Duration
	// Now is the wall clock. nil is time.Now.
	Now func() time.Time
	// StreamCheck is how often the clock is looked at while a call's answer runs on, to end
	// it when its token has expired: so late at most it is ended. 0 is 30 s; negative: such
	// calls are not ended; otherwise refused unless within 1 s to 1 h.
	StreamCheck time.Duration
	// CacheSize is how many verified tokens are remembered. 0 is 2048, negative is none;
	// more than a million is refused.
	CacheSize int
	// Recorder is told of calls that were refused since the issuer's keys could not be had
	// (degrade) and of streams that were ended (timeout), those on a goroutine of its own.
	// nil: nobody.
	Recorder enmesh.Recorder
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Leeway == 0 {
		cfg.Leeway = DefaultLeeway
	}
	cfg.Leeway = max(cfg.Leeway, 0)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.StreamCheck == 0 {
		cfg.StreamCheck = DefaultStreamCheck
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = DefaultCacheSize
	}
	switch {
	case len(cfg.Rules) == 0:
		return cfg, errors.New("jwt: Rules is empty")
	case cfg.Leeway > 5*time.Minute:
		return cfg, fmt.Errorf("jwt: Leeway %v is above 5m", cfg.Leeway)
	case cfg.StreamCheck > 0 && (cfg.StreamCheck < time.Second || cfg.StreamCheck > time.Hour):
		return cfg, fmt.Errorf("jwt: StreamCheck %v is not within 1s to 1h", cfg.StreamCheck)
	case cfg.CacheSize > 1_000_000:
		return cfg, fmt.Errorf("jwt: CacheSize %d is above 1000000", cfg.CacheSize)
	}
	return cfg, nil
}
