// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/ca/connect"
)

// consul is an agent whose authority is one for development, and that changes nothing.
func consul(authority *ca.Development) http.HandlerFunc {
	own, err := authority.Issue(security.MustParseID("spiffe://" + authority.TrustDomain() + "/ns/default/dc/dc1/svc/reviews"))
	if err != nil {
		panic(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Certificate().PrivateKey)
	if err != nil {
		panic(err)
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("index") != "" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Consul-Index", "7")
		var answer any = map[string]string{
			"CertPEM": text("CERTIFICATE", own.Certificate().Leaf.Raw), "PrivateKeyPEM": text("PRIVATE KEY", key),
		}
		if strings.HasSuffix(r.URL.Path, "/roots") {
			answer = map[string]any{
				"TrustDomain": authority.TrustDomain(),
				"Roots":       []map[string]string{{"RootCert": text("CERTIFICATE", authority.Roots()[0].Raw)}},
			}
		}
		_ = json.NewEncoder(w).Encode(answer) // the agent's caller may be gone
	}
}

func ExampleNew() {
	authority, err := ca.NewDevelopment("11111111-2222-3333-4444-555555555555.consul", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	agent := httptest.NewServer(consul(authority))
	defer agent.Close()
	source, err := connect.New(context.Background(), connect.Config{Service: "reviews", API: &api.Config{Address: agent.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer source.Close()
	own, err := source.Identity()
	fmt.Println(own.ID(), err)
	ratings, err := source.Peer("ratings")
	fmt.Println(ratings, err)
	// Output:
	// spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/reviews <nil>
	// spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/*/svc/ratings <nil>
}
