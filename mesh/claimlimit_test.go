// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/redistest"
)

// issuer signs tokens.
type issuer struct{ key *ecdsa.PrivateKey }

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{key}
}

// keys is the issuer's key set.
func (i *issuer) keys(t *testing.T) string {
	t.Helper()
	public, err := i.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	coordinate := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"k","x":%q,"y":%q}]}`, coordinate(public[1:33]), coordinate(public[33:]))
}

// token is a header with a token that has these claims besides.
func (i *issuer) token(t *testing.T, claims map[string]any) []string {
	t.Helper()
	all := map[string]any{"iss": "issuer", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	coded := base64.RawURLEncoding.EncodeToString
	text := coded([]byte(`{"alg":"ES256","kid":"k","typ":"JWT"}`)) + "." + coded(body)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return []string{"authorization", "Bearer " + text + "." + coded(signature)}
}

// Each end user has a limit of his own by a claim of the token that the server has verified,
// in the process as in Redis; whoever brings none shares one.
func TestRateLimit_byClaim(t *testing.T) {
	redis := redistest.Start(t)
	signs := newIssuer(t)
	authentication := "---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: users}\n" +
		"spec: {selector: {matchLabels: {app: reviews}}, jwtRules: [{issuer: issuer, jwks: '" + signs.keys(t) + "'}]}\n"
	for name, bucket := range map[string]string{
		"here": "tokenBucket: {rate: 0.001, burst: 2}", "in Redis": "sharedBucket: {provider: fleet, name: NAME, rate: 0.001, burst: 2}",
	} {
		t.Run(name, func(t *testing.T) {
			for _, protocol := range []string{"http", "grpc"} {
				y := newYard(t, protocol, noRetries, onRedis(t, redis.Addr))
				y.own(authentication + ownDoc("RateLimit", reviewsOnly+"rules: [{key: [{claim: tenant}], "+strings.Replace(bucket, "NAME", protocol, 1)+"}]"))
				if err := y.server.Status().Policy.Err; err != nil {
					t.Fatal(err)
				}
				for who, header := range map[string][]string{
					"of tenant a":     signs.token(t, map[string]any{"tenant": "a", "sub": "ann"}),
					"of tenant 7":     signs.token(t, map[string]any{"tenant": 7, "sub": "ann"}),
					"without a token": nil,
				} {
					got := map[int]int{}
					for range 4 {
						code, _ := y.call(t.Context(), header...)
						got[code]++
					}
					if got[200] != 2 || got[429] != 2 {
						t.Errorf("%s, %s: got %v, want 2 answers and 2 refusals", protocol, who, got)
					}
				}
				another := signs.token(t, map[string]any{"tenant": "a", "sub": "bob"})
				if code, _ := y.call(t.Context(), another...); code != 429 {
					t.Errorf("%s: another user of tenant a: got %d, want 429", protocol, code)
				}
			}
		})
	}
}
