// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh/security/jwt"
)

// sample is a token, and whether it is to be accepted.
type sample struct {
	name  string
	raw   string
	valid bool
}

// rulesOf is what the samples are tried with: two issuers that share the default places, each with
// keys of its own.
func rulesOf() []jwt.Rule {
	return []jwt.Rule{plain(), {Name: "other", Issuer: "https://other.example", JWKS: jwks(otherIssuer())}}
}

// otherIssuer is the key of the second issuer.
func otherIssuer() *signer { return &signer{"other-key", otherRSA().private} }

// samples is the list of tokens that attackers send, and those that must pass all the same.
func samples() []sample {
	all := append(goodOnes(), algorithmTricks()...)
	all = append(all, shapes()...)
	all = append(all, headerTricks()...)
	return append(all, claimTricks()...)
}

func goodOnes() []sample {
	var all []sample
	for alg, s := range map[string]*signer{
		"RS256": rsaKey(), "RS384": rsaKey(), "RS512": rsaKey(), "PS256": rsaKey(), "PS384": rsaKey(), "PS512": rsaKey(),
		"ES256": p256(), "ES384": p384(), "ES512": p521(), "EdDSA": edKey(),
	} {
		all = append(all, sample{"valid " + alg, s.sign(alg, nil, claims(nil)), true})
	}
	now := time.Now().Unix()
	return append(all,
		sample{"valid: aud list", token(object{"aud": []string{"a", "shop"}}), true},
		sample{"valid: expired 28 s ago", token(object{"exp": now - 28}), true},
		sample{"valid: nbf in 28 s", token(object{"nbf": now + 28}), true},
		sample{"valid: iat in 28 s", token(object{"iat": now + 28}), true},
		sample{"valid: exp with a fraction", token(object{"exp": float64(now) + 60.5}), true},
		sample{"valid: no kid", p256().sign("ES256", object{"kid": nil}, claims(nil)), true},
		sample{"valid: no typ", p256().sign("ES256", object{"typ": nil}, claims(nil)), true},
		sample{"valid: typ at+jwt", p256().sign("ES256", object{"typ": "application/at+JWT"}, claims(nil)), true},
		sample{"valid: thumbprint of a certificate", p256().sign("ES256", object{"x5t": "abc"}, claims(nil)), true},
		sample{"valid: other issuer", otherIssuer().sign("RS256", nil, claims(object{"iss": "https://other.example"})), true},
	)
}

// unsigned is a token with any header and signature.
func unsigned(header, claims object, signature []byte) string {
	return b64(must(json.Marshal(header))) + "." + b64(must(json.Marshal(claims))) + "." + b64(signature)
}

// hmacSigned is a token that is signed with a secret.
func hmacSigned(secret []byte, kid string) string {
	input := b64([]byte(`{"alg":"HS256","kid":"`+kid+`"}`)) + "." + b64(must(json.Marshal(claims(nil))))
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(input))
	return input + "." + b64(h.Sum(nil))
}

func algorithmTricks() []sample {
	der := must(x509.MarshalPKIXPublicKey(rsaKey().private.Public()))
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	good := rsaKey().sign("RS256", nil, claims(nil))
	signature := good[strings.LastIndex(good, ".")+1:]
	var all []sample
	for _, alg := range []any{"none", "None", "nOnE", "", "rs256", "HS256", "RSA1_5", "dir", 256, []string{"RS256"}, nil} {
		header := object{"alg": alg, "kid": "rsa"}
		if alg == nil {
			header = object{"kid": "rsa"}
		}
		all = append(all,
			sample{fmt.Sprintf("alg %v, no signature", alg), strings.TrimRight(unsigned(header, claims(nil), nil), "."), false},
			sample{fmt.Sprintf("alg %v, empty signature", alg), unsigned(header, claims(nil), nil), false},
			sample{fmt.Sprintf("alg %v, some signature", alg), unsigned(header, claims(nil), []byte("x")), false},
		)
	}
	return append(all,
		sample{"HS256 with the RSA key's PEM", hmacSigned(public, "rsa"), false},
		sample{"HS256 with the RSA key's DER", hmacSigned(der, "rsa"), false},
		sample{"HS256 with an empty secret", hmacSigned(nil, "rsa"), false},
		sample{"RS256 that says PS256", relabel(good, "PS256", "rsa"), false},
		sample{"RS256 that says ES256", relabel(good, "ES256", "rsa"), false},
		sample{"RS256 that says ES256 with the EC key", relabel(good, "ES256", "p256"), false},
		sample{"RS256 that says EdDSA", relabel(good, "EdDSA", "ed"), false},
		sample{"ES256 with the RSA key's name", p256().sign("ES256", object{"kid": "rsa"}, claims(nil)), false},
		sample{"ES384 with a P-256 key", p256().sign("ES384", nil, claims(nil)), false},
		sample{"ES256 with a P-384 key", p384().sign("ES256", nil, claims(nil)), false},
		sample{"another key under the same name", otherRSA().sign("RS256", nil, claims(nil)), false},
		sample{"signature of another token", withSignature(token(nil), signature), false},
	)
}

// relabel is a token with another header before the same signature.
func relabel(raw, alg, kid string) string {
	_, rest, _ := strings.Cut(raw, ".")
	return b64([]byte(`{"alg":"`+alg+`","kid":"`+kid+`"}`)) + "." + rest
}

func withSignature(raw, signature string) string {
	return raw[:strings.LastIndex(raw, ".")+1] + signature
}

// ecRaw is the signature of an ES256 token, both numbers.
func ecRaw(raw string) []byte {
	return must(base64.RawURLEncoding.DecodeString(raw[strings.LastIndex(raw, ".")+1:]))
}

func shapes() []sample {
	good := token(nil)
	parts := strings.Split(good, ".")
	rs := ecRaw(good)
	der := must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(rs[:32]), new(big.Int).SetBytes(rs[32:])}))
	last := good[len(good)-1]
	changed := p256().sign("ES256", nil, claims(object{"path": "/public"}))
	forged := strings.Split(p256().sign("ES256", nil, claims(object{"path": "/admin"})), ".")[1]
	was := strings.Split(changed, ".")
	return []sample{
		{"empty", "", false},
		{"signature stripped", parts[0] + "." + parts[1], false},
		{"signature empty", parts[0] + "." + parts[1] + ".", false},
		{"signature truncated", good[:len(good)-4], false},
		{"signature longer", good + "AAAA", false},
		{"signature zero", withSignature(good, b64(make([]byte, 64))), false},
		{"signature as DER", withSignature(good, b64(der)), false},
		{"signature for another curve", withSignature(good, b64(make([]byte, 96))), false},
		{"claims changed, signature kept", was[0] + "." + forged + "." + was[2], false},
		{"two parts", "a.b", false},
		{"four parts", good + "." + parts[2], false},
		{"five parts, as encrypted", good + ".a.b", false},
		{"begins with a dot", "." + good, false},
		{"ends with a dot", good + ".", false},
		{"header empty", "." + parts[1] + "." + parts[2], false},
		{"claims empty", parts[0] + ".." + parts[2], false},
		{"100k dots", strings.Repeat(".", 100_000), false},
		{"8191 dots", strings.Repeat(".", 8191), false},
		{"1 MiB", strings.Repeat("a", 1<<20), false},
		{"1 MiB in three parts", parts[0] + "." + strings.Repeat("a", 1<<20) + "." + parts[2], false},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "==", false},
		{"standard alphabet", parts[0] + "." + parts[1] + ".+/" + parts[2][2:], false},
		{"bits that mean nothing", good[:len(good)-1] + string(noisy(last)), false},
		{"line break within", parts[0] + "." + parts[1] + "\n." + parts[2], false},
		{"space before", " " + good, false},
		{"space behind", good + " x", false},
		{"two tokens", good + "," + good, false},
		{"NUL behind", good + "\x00", false},
		{"not ASCII", good + "é", false},
		{"JSON serialization", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, false},
	}
}

// noisy is the last character of a signature of 64 bytes with one of its four unused bits set.
func noisy(last byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, last)|1]
}

func headerTricks() []sample {
	s, body := p256(), string(must(json.Marshal(claims(nil))))
	own := must(json.Marshal(map[string]string{"kty": "oct", "k": "AAAA"}))
	all := []sample{
		{"alg twice", s.signText("ES256", `{"alg":"none","alg":"ES256","kid":"p256"}`, body), false},
		{"alg twice, once in disguise", s.signText("ES256", `{"alg":"ES256","\u0061lg":"none","kid":"p256"}`, body), false},
		{"kid twice", s.signText("ES256", `{"alg":"ES256","kid":"p256","kid":"rsa"}`, body), false},
		{"header is a list", s.signText("ES256", `["ES256"]`, body), false},
		{"header is not JSON", s.signText("ES256", `{"alg":"ES256"`, body), false},
		{"header has more behind", s.signText("ES256", `{"alg":"ES256","kid":"p256"}{}`, body), false},
		{"header is not UTF-8", s.signText("ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\",\"a\":\"\xff\"}", body), false},
		{"header with a mark of byte order", s.signText("ES256", "\ufeff"+`{"alg":"ES256","kid":"p256"}`, body), false},
		{"header nested deep", s.signText("ES256", `{"alg":"ES256","kid":"p256","a":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`, body), false},
		{"kid of another issuer", otherIssuer().sign("RS256", nil, claims(nil)), false},
		{"issuer's name, another's key without kid", otherIssuer().sign("RS256", object{"kid": nil}, claims(nil)), false},
	}
	for name, v := range map[string]any{
		"crit": []string{"exp"}, "jwk": json.RawMessage(own), "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x",
		"x5c": []string{"MIIB"}, "b64": false, "zip": "DEF", "enc": "A128GCM", "epk": object{}, "p2c": 1 << 30, "cty": "JWT",
	} {
		all = append(all, sample{"header " + name, s.sign("ES256", object{name: v}, claims(nil)), false})
	}
	for _, kid := range []any{"../../key", "' OR 1=1 --", "", strings.Repeat("k", 10<<10), strings.Repeat("k", 300), "a\nb", "a\x00", 7, []string{"p256"}, object{}} {
		all = append(all, sample{fmt.Sprintf("kid %.20v", kid), s.sign("ES256", object{"kid": kid}, claims(nil)), false})
	}
	for _, typ := range []any{"logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", 7} {
		all = append(all, sample{fmt.Sprintf("typ %v", typ), s.sign("ES256", object{"typ": typ}, claims(nil)), false})
	}
	return all
}

func claimTricks() []sample {
	s, now := p256(), time.Now().Unix()
	header := `{"alg":"ES256","kid":"p256"}`
	exp := fmt.Sprint(now + 3600)
	text := func(claims string) string { return s.signText("ES256", header, claims) }
	all := []sample{
		{"iss twice", text(`{"iss":"https://evil","iss":"` + issuer + `","aud":"shop","sub":"a","exp":` + exp + `}`), false},
		{"iss twice, once in disguise", text(`{"iss":"` + issuer + `","\u0069ss":"x","aud":"shop","sub":"a","exp":` + exp + `}`), false},
		{"a name twice within a claim", text(`{"iss":"` + issuer + `","aud":"shop","sub":"a","exp":` + exp + `,"r":{"a":1,"a":2}}`), false},
		{"half a surrogate as a name", text(`{"iss":"` + issuer + `","aud":"shop","sub":"a","exp":` + exp + `,"\ud800":1}`), false},
		{"half a surrogate as subject", text(`{"iss":"` + issuer + `","aud":"shop","sub":"a\ud800","exp":` + exp + `}`), false},
		{"exp 1e400", text(`{"iss":"` + issuer + `","aud":"shop","sub":"a","exp":1e400}`), false},
		{"exp 1e300", text(`{"iss":"` + issuer + `","aud":"shop","sub":"a","exp":1e300}`), false},
		{"exp twice", text(`{"iss":"` + issuer + `","aud":"shop","sub":"a","exp":1,"exp":` + exp + `}`), false},
		{"exp null", text(`{"iss":"` + issuer + `","aud":"shop","sub":"a","exp":null}`), false},
		{"claims are a list", text(`[]`), false},
		{"claims are text", text(`"a"`), false},
		{"claims are not JSON", text(`{`), false},
		{"unknown issuer, its own key", otherIssuer().sign("RS256", nil, claims(object{"iss": "https://nobody.example"})), false},
	}
	for name, more := range map[string]object{
		"exp past": {"exp": now - 31}, "exp long past": {"exp": 1}, "exp missing": {"exp": nil}, "exp text": {"exp": exp},
		"exp negative": {"exp": -now}, "exp 0": {"exp": 0}, "exp true": {"exp": true}, "exp list": {"exp": []any{now + 60}},
		"nbf future": {"nbf": now + 60}, "iat future": {"iat": now + 60}, "nbf text": {"nbf": "1"}, "iat text": {"iat": "1"},
		"iss empty": {"iss": ""}, "iss missing": {"iss": nil}, "iss other": {"iss": "https://evil.example"}, "iss with a slash": {"iss": issuer + "/"},
		"iss in capitals": {"iss": strings.ToUpper(issuer)}, "iss list": {"iss": []string{issuer}}, "iss of the other issuer": {"iss": "https://other.example"},
		"aud missing": {"aud": nil}, "aud other": {"aud": "bank"}, "aud list without": {"aud": []string{"bank", "shops"}}, "aud substring": {"aud": "sho"},
		"aud longer": {"aud": "shop/"}, "aud list of lists": {"aud": []any{[]any{"shop"}}}, "aud number": {"aud": 7}, "aud empty": {"aud": ""},
		"sub missing": {"sub": nil}, "sub empty": {"sub": ""},
		"sub number": {"sub": 7}, "sub list": {"sub": []string{"alice"}}, "sub with a line break": {"sub": "alice\nroot"}, "azp number": {"azp": 7},
	} {
		all = append(all, sample{name, token(more), false})
	}
	return all
}
