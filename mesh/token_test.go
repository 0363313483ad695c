// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestMesh_takesTheTokensThatAnnotationsSay: of one issuer's valid tokens those with another
// type, without a subject or by another algorithm are refused where a document says so, and
// accepted where it does not.
func TestMesh_takesTheTokensThatAnnotationsSay(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	token := func(typ, claims string) string {
		signed := text([]byte(`{"alg":"EdDSA","kid":"a","typ":"`+typ+`"}`)) + "." +
			text(fmt.Appendf(nil, `{"iss":"login","exp":%d%s}`, time.Now().Add(time.Hour).Unix(), claims))
		return signed + "." + text(ed25519.Sign(private, []byte(signed)))
	}
	access, id, nobody := token("at+jwt", `,"sub":"alice"`), token("JWT", `,"sub":"alice"`), token("at+jwt", "")
	document := func(annotations string) string {
		return "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: users, namespace: shop, annotations: {" + annotations + "}}\n" +
			`spec: {jwtRules: [{issuer: login, jwks: '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + text(public) + `"}]}'}]}` + "\n"
	}
	f := newFort(t, document("enmesh.dev/token-algorithms: EdDSA, enmesh.dev/token-types: at+jwt"))
	client := f.client("")
	status := func(token string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.addr+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := [3]int{status(access), status(id), status(nobody)}; got != [3]int{200, 401, 401} {
		t.Errorf("an access token, an ID token and one without a subject got %d, want 200, 401 and 401", got)
	}
	f.write(document("enmesh.dev/token-algorithms: ES256"))
	f.becomes("EdDSA is not accepted any more", func() bool { return status(access) == 401 })
	f.write(document(""))
	f.becomes("an ID token is accepted", func() bool { return status(access) == 200 && status(id) == 200 && status(nobody) == 401 })
	f.write(document("enmesh.dev/token-subject: optional"))
	f.becomes("all three are accepted, as by Istio", func() bool { return status(access) == 200 && status(id) == 200 && status(nobody) == 200 })
}
